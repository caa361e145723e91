"""Driving and steering: roads to keep a lane on, seen through a camera."""

from wormnet.control.camera import Camera, Looks, random_looks, render
from wormnet.control.lane import DIFFICULTIES, Car, Difficulty, Drive, environment, pure_pursuit
from wormnet.control.road import Place, Road, random_road

__all__ = [
    "DIFFICULTIES",
    "Camera",
    "Car",
    "Difficulty",
    "Drive",
    "Looks",
    "Place",
    "Road",
    "environment",
    "pure_pursuit",
    "random_looks",
    "random_road",
    "render",
]
