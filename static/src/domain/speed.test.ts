import { expect, test } from "vitest";
import { nextSpeed, secondsLeft, standingStill } from "./speed.ts";

function steady(bytesPerS: number, seconds: number) {
  let speed = standingStill(0, 0);
  for (let second = 1; second <= seconds; second += 1)
    speed = nextSpeed(speed, second * 1000, second * bytesPerS);
  return speed;
}

test("a steady stream is told as it is", () => {
  expect(steady(1000, 20).bytesPerS).toBeCloseTo(1000);
  expect(secondsLeft(steady(1000, 20), 5000)).toBe(5);
});

test("a new pace is known within half a minute", () => {
  let speed = steady(1000, 20);
  for (let second = 1; second <= 30; second += 1)
    speed = nextSpeed(speed, (20 + second) * 1000, 20_000 + second * 9000);

  expect(speed.bytesPerS).toBeGreaterThan(8000);
});

test("nothing is told before anything has moved, nor of a line that stands", () => {
  expect(secondsLeft(standingStill(0, 0), 10)).toBeNull();
  expect(secondsLeft(nextSpeed(standingStill(0, 0), 1000, 0), 10)).toBeNull();
});

test("a look too soon after the last changes nothing", () => {
  const speed = steady(1000, 3);

  expect(nextSpeed(speed, 3100, 3100)).toBe(speed);
});
