import { expect, test } from "vitest";
import { FIRST_WINDOW, placeWindow } from "./window-state.ts";

const screen = { x: 0, y: 0, width: 1920, height: 1080 };
const right = { x: 1920, y: 0, width: 1920, height: 1080 };

test("a first window has the usual size, within a small screen", () => {
  expect(placeWindow(FIRST_WINDOW, [screen])).toEqual({ width: 1440, height: 900 });
  expect(placeWindow(FIRST_WINDOW, [{ ...screen, width: 1280, height: 760 }])).toEqual({ width: 1280, height: 760 });
  expect(placeWindow(FIRST_WINDOW, [])).toEqual({ width: 1440, height: 900 });
});

test("it comes back where it was, also on a second screen", () => {
  const bounds = { x: 2000, y: 50, width: 1200, height: 800 };
  expect(placeWindow({ bounds, maximised: false }, [screen, right])).toEqual(bounds);
});

test("when that screen is gone, or only a sliver of the window would show, it goes to the middle", () => {
  const bounds = { x: 2000, y: 50, width: 1200, height: 800 };
  expect(placeWindow({ bounds, maximised: false }, [screen])).toEqual({ width: 1200, height: 800 });
  expect(placeWindow({ bounds: { ...bounds, x: -1190 }, maximised: false }, [screen])).toEqual({ width: 1200, height: 800 });
  expect(placeWindow({ bounds: { ...bounds, x: 0, y: -40 }, maximised: false }, [screen])).toEqual({ width: 1200, height: 800 });
});

test("a size that no longer fits is made to fit", () => {
  expect(placeWindow({ bounds: { x: 10, y: 10, width: 4000, height: 30 }, maximised: false }, [screen])).toEqual({ x: 10, y: 10, width: 1920, height: 600 });
});
