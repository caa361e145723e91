"""Closed loops: circuits and layers as policies, searches, and roads to keep a lane on, seen through a camera."""

from wormnet.control.camera import Camera, Looks, random_looks, render
from wormnet.control.lane import DIFFICULTIES, Car, Difficulty, Drive, environment, pure_pursuit
from wormnet.control.maps import MotorCell, Projection, SensoryCell
from wormnet.control.policy import Policy
from wormnet.control.population import Population
from wormnet.control.road import Place, Road, random_road
from wormnet.control.searching import Search, replay, search
from wormnet.control.tasks import TASKS, Task, task
from wormnet.control.worlds import WORLDS, World

__all__ = [
    "DIFFICULTIES",
    "TASKS",
    "WORLDS",
    "Camera",
    "Car",
    "Difficulty",
    "Drive",
    "Looks",
    "MotorCell",
    "Place",
    "Policy",
    "Population",
    "Projection",
    "Road",
    "Search",
    "SensoryCell",
    "Task",
    "World",
    "environment",
    "pure_pursuit",
    "random_looks",
    "random_road",
    "render",
    "replay",
    "search",
    "task",
]
