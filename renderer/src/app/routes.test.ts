import { expect, it } from "vitest";
import { hashOfRoute, type Route, routeOfHash } from "./routes.ts";

it("reads the addresses it writes", () => {
  const routes: readonly Route[] = [{ page: "home" }, { page: "new", projectId: null }, { page: "new", projectId: "a-1_B" }, { page: "studio", projectId: "x" }, { page: "queue" }, { page: "setup" }, { page: "settings" }];
  for (const route of routes) expect(routeOfHash(hashOfRoute(route))).toEqual(route);
});

it("goes home for what it does not know", () => {
  for (const hash of ["", "#", "#/", "#/nowhere", "#/studio", "#/studio/../x", "#/studio/a/b", `#/studio/${"x".repeat(65)}`]) expect(routeOfHash(hash)).toEqual({ page: "home" });
});
