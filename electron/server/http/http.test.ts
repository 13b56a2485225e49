import { describe, expect, test } from "vitest";
import { readCookie } from "./cookies.ts";
import { preferredLanguage } from "./pages.ts";
import { listeningSockets } from "./port-holder.ts";
import { allowedHosts, judgeRequest } from "./request-guard.ts";
import { acceptedEncodings, attachment } from "./send-file.ts";
import { rangeOf } from "./send-virtual.ts";
import { readableName } from "./uploads.ts";

describe("hosts", () => {
  const judge = (host: string, listening: string, extra: readonly string[] = []): string => judgeRequest({ method: "GET", url: "/", headers: { host } }, allowedHosts(7860, listening, ["192.168.1.5", "fd00::1", "workstation"], extra), false).kind;

  test("on loopback only loopback names", () => {
    expect(["localhost:7860", "127.0.0.1:7860", "[::1]:7860"].map((host) => judge(host, "127.0.0.1"))).toEqual(["ok", "ok", "ok"]);
    expect(["192.168.1.5:7860", "workstation:7860", "localhost:80", "localhost"].map((host) => judge(host, "127.0.0.1"))).toEqual(["refused", "refused", "refused", "refused"]);
  });

  test("on all addresses those of this machine, on one only that one", () => {
    expect(["192.168.1.5:7860", "workstation:7860", "[fd00::1]:7860", "WORKSTATION:7860"].map((host) => judge(host, "0.0.0.0"))).toEqual(["ok", "ok", "ok", "ok"]);
    expect(["192.168.1.5:7860", "192.168.1.6:7860"].map((host) => judge(host, "192.168.1.6"))).toEqual(["refused", "ok"]);
    expect(judge("evil.example:7860", "0.0.0.0")).toBe("refused");
  });

  test("a name of a reverse proxy, exactly as given", () => {
    expect([judge("studio.example", "127.0.0.1", ["studio.example"]), judge("studio.example:7860", "127.0.0.1", ["studio.example"])]).toEqual(["ok", "refused"]);
  });
});

test("ranges of a file of 100 bytes", () => {
  const cases: readonly (readonly [string | undefined, string])[] = [
    [undefined, "whole"],
    ["", "whole"],
    ["bytes=0-9", "0-10"],
    ["BYTES = 5-", "5-100"],
    ["bytes=-30", "70-100"],
    ["bytes=-300", "0-100"],
    ["bytes=90-300", "90-100"],
    ["bytes=99-99", "99-100"],
    ["bytes=100-", "impossible"],
    ["bytes=-0", "impossible"],
    ["bytes=9-5", "whole"],
    ["bytes=0-1,5-6", "whole"],
    ["bytes=-", "whole"],
    ["bytes=a-b", "whole"],
    ["seconds=1-2", "whole"],
    ["bytes=99999999999999999999-", "whole"],
  ];
  for (const [header, wanted] of cases) {
    const range = rangeOf(header, 100);
    expect(range.kind === "part" ? `${String(range.start)}-${String(range.end)}` : range.kind, header).toBe(wanted);
  }
  expect(rangeOf("bytes=0-", 0).kind).toBe("impossible");
});

test("cookies are found by their whole name", () => {
  expect(readCookie("a=1; avatar_studio_7860=x; b=2", "avatar_studio_7860")).toBe("x");
  expect([readCookie(undefined, "a"), readCookie("xa=1", "a"), readCookie("a", "a"), readCookie("", "a")]).toEqual([null, null, null, null]);
});

test("names of uploads are for people, never for paths", () => {
  const names = ["../../etc/passwd", "C:\\Users\\a\\voice.wav", "", "..", ".", "\0\n", "  ", "録音.wav", "a/b/", "x".repeat(500)];
  expect(names.map(readableName)).toEqual(["passwd", "voice.wav", "upload", "upload", "upload", "upload", "upload", "録音.wav", "upload", "x".repeat(200)]);
});

test("a download's name cannot break out of its header", () => {
  expect(attachment('a"; filename="evil\r\nX: y.mp4')).not.toMatch(/[\r\n]|filename="a"/);
  expect(attachment("视频 1.mp4")).toBe("attachment; filename=\"__ 1.mp4\"; filename*=UTF-8''%E8%A7%86%E9%A2%91%201.mp4");
});

test("encodings are taken as the browser weighs them", () => {
  const cases: readonly (readonly [string | undefined, boolean, boolean])[] = [
    [undefined, false, false],
    ["", false, false],
    ["gzip, deflate, br", true, true],
    ["GZIP;q=0.5", false, true],
    ["br;q=0, *", false, true],
    ["br; q=0.000, gzip; q=1", false, true],
    ["*;q=0", false, false],
    ["brotli, gzipped", false, false],
    ["br;q=x", false, false],
  ];
  for (const [header, br, gzip] of cases) expect([acceptedEncodings(header)("br"), acceptedEncodings(header)("gzip")], header).toEqual([br, gzip]);
});

test("pages speak the browser's first language that they know", () => {
  expect([undefined, "de", "zh-TW,en;q=0.5", "en-GB,zh", "fr, zh"].map(preferredLanguage)).toEqual(["en", "en", "zh", "en", "zh"]);
});

test("who listens on a port is read from the system's table", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1EB4 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0
   1: 0100007F:1EB4 0100007F:A000 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0`;
  expect([listeningSockets(table, 7860), listeningSockets(table, 80), listeningSockets(table, 81)]).toEqual([["4711"], ["4713"], []]);
});
