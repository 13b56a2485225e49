import { expect, test } from "vitest";
import { isTrustedLink } from "./navigation.ts";
import { mayHave } from "./permissions.ts";

test("our page may record sound, fill the screen and copy", () => {
  expect(mayHave("media", true, ["audio"])).toBe(true);
  expect(mayHave("fullscreen", true, [])).toBe(true);
  expect(mayHave("clipboard-sanitized-write", true, [])).toBe(true);
});

test("everything else is refused, and everything to others", () => {
  for (const types of [["video"], ["audio", "video"], [], ["unknown"]]) expect(mayHave("media", true, types)).toBe(false);
  for (const permission of ["geolocation", "notifications", "midi", "clipboard-read", "openExternal", "display-capture", "hid", "something new"]) expect(mayHave(permission, true, [])).toBe(false);
  expect(mayHave("media", false, ["audio"])).toBe(false);
  expect(mayHave("fullscreen", false, [])).toBe(false);
});

test("only known pages may be opened outside, however an address is dressed up", () => {
  expect(isTrustedLink("https://github.com/someone/something")).toBe(true);
  for (const address of ["http://github.com/", "https://github.com.evil.org/", "https://github.com@evil.org/", "https://user@github.com/", "file:///etc/passwd", "javascript:alert(1)", "smb://x", "", "github.com"]) {
    expect(isTrustedLink(address), address).toBe(false);
  }
});
