"""Closed loops: circuits and layers as policies, searches for their numbers, agents that learn by PPO, and roads to
keep a lane on, seen through a camera.
"""

from wormnet.control.agent import Agent
from wormnet.control.camera import Camera, Looks, random_looks, render
from wormnet.control.cars import Cars, pure_pursuit
from wormnet.control.driver import Driver
from wormnet.control.imitation import Imitation, imitate
from wormnet.control.lane import DIFFICULTIES, Car, Difficulty, Drive, environment
from wormnet.control.lane_test import LaneTest
from wormnet.control.maps import Choice, MotorCell, Projection, SensoryCell, Standardised, Within
from wormnet.control.policy import Policy
from wormnet.control.policy_gradient import PPO, ppo
from wormnet.control.population import Population
from wormnet.control.road import Place, Road, random_road
from wormnet.control.searching import Search, replay, search
from wormnet.control.tasks import TASKS, Task, task
from wormnet.control.worlds import WORLDS, InvertedPendulum, MountainCar, MountainCarProgress, World

__all__ = [
    "DIFFICULTIES",
    "PPO",
    "TASKS",
    "WORLDS",
    "Agent",
    "Camera",
    "Car",
    "Cars",
    "Choice",
    "Difficulty",
    "Drive",
    "Driver",
    "Imitation",
    "InvertedPendulum",
    "LaneTest",
    "Looks",
    "MotorCell",
    "MountainCar",
    "MountainCarProgress",
    "Place",
    "Policy",
    "Population",
    "Projection",
    "Road",
    "Search",
    "SensoryCell",
    "Standardised",
    "Task",
    "Within",
    "World",
    "environment",
    "imitate",
    "ppo",
    "pure_pursuit",
    "random_looks",
    "random_road",
    "render",
    "replay",
    "search",
    "task",
]
