import { expect, test } from "vitest";
import { downloadsOf, formOf } from "./download-form.ts";

const empty = { endpoint: "", proxy: "", limit: "", connections: "" };

test("empty fields are the defaults, and settings come back as they were", () => {
  expect(downloadsOf(empty)).toEqual({ kind: "right", downloads: { endpoint: null, proxy: null, megabytesPerSecond: null, connections: 4 } });
  const downloads = { endpoint: "https://mirror.example.org", proxy: "http://proxy:3128", megabytesPerSecond: 2.5, connections: 8 };
  expect(downloadsOf(formOf(downloads))).toEqual({ kind: "right", downloads });
  expect(downloadsOf({ ...empty, endpoint: " https://mirror.example.org/ ", limit: "2,5" })).toMatchObject({ downloads: { endpoint: "https://mirror.example.org", megabytesPerSecond: 2.5 } });
});

test("what cannot be understood is named", () => {
  expect(downloadsOf({ endpoint: "mirror", proxy: "socks5://host:1", limit: "-1", connections: "2.5" })).toEqual({ kind: "wrong", fields: ["endpoint", "proxy", "limit", "connections"] });
  expect(downloadsOf({ ...empty, limit: "fast" })).toEqual({ kind: "wrong", fields: ["limit"] });
  expect(downloadsOf({ ...empty, connections: "17" })).toEqual({ kind: "wrong", fields: ["connections"] });
});
