import { expect, test } from "vitest";
import { projectArguments } from "./project-arguments.ts";

const all = (): boolean => true;

test("relative paths count from where the start was made, in any case, once", () => {
  expect(projectArguments({ arguments: ["a.avatar", "/x/B.AVATAR", "../a.avatar", "/home/me/a.avatar"], workingFolder: "/home/me" }, all)).toEqual(["/home/me/a.avatar", "/x/B.AVATAR", "/home/a.avatar"]);
});

test("switches, other files and files that are not there are passed over", () => {
  expect(projectArguments({ arguments: ["--x.avatar", "a.png", "gone.avatar"], workingFolder: "/" }, (path) => path !== "/gone.avatar")).toEqual([]);
});
