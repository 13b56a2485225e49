import { expect, it } from "vitest";
import { search } from "./search.ts";

const commands = ["Edit: Undo", "Timeline: Split at playhead", "Playback: Play", "时间轴：在播放头处分割"];
const found = (typed: string) => search(commands, (text) => text, typed);

it("finds by every typed word, starts of words first", () => {
  expect(found("play")).toEqual(["Playback: Play", "Timeline: Split at playhead"]);
  expect(found("spl time")).toEqual(["Timeline: Split at playhead"]);
  expect(found("分割")).toEqual(["时间轴：在播放头处分割"]);
  expect(found("nothing like it")).toEqual([]);
  expect(found("  ")).toEqual(commands);
});
