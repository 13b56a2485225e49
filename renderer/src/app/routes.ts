/** Every page has an address after `#`, so that reloading and the browser's back button work in both modes. */
export type Route =
  | { readonly page: "home" }
  | { readonly page: "new"; readonly projectId: string | null }
  | { readonly page: "studio"; readonly projectId: string }
  | { readonly page: "queue" }
  | { readonly page: "setup" }
  | { readonly page: "settings" };

const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Reads `location.hash`. What it does not know is the home page. */
export function routeOfHash(hash: string): Route {
  const [page, id, ...rest] = hash.replace(/^#?\/?/, "").split("/");
  const projectId = id !== undefined && ID.test(id) && rest.length === 0 ? id : null;
  switch (page) {
    case "new":
      return { page, projectId };
    case "studio":
      return projectId === null ? { page: "home" } : { page, projectId };
    case "queue":
    case "setup":
    case "settings":
      return { page };
    case undefined:
    default:
      return { page: "home" };
  }
}

export function hashOfRoute(route: Route): string {
  switch (route.page) {
    case "home":
      return "#/";
    case "new":
      return route.projectId === null ? "#/new" : `#/new/${route.projectId}`;
    case "studio":
      return `#/studio/${route.projectId}`;
    case "queue":
    case "setup":
    case "settings":
      return `#/${route.page}`;
  }
}
