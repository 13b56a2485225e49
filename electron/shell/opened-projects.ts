/** Projects opened from outside, kept until the page can take them. */
export interface OpenedProjects<Project> {
  readonly add: (project: Project) => void;
  /** The page listens now. */
  readonly pageReady: () => void;
  /** The page is being loaded anew and does not listen yet. */
  readonly pageGone: () => void;
}

export function createOpenedProjects<Project>(deliver: (project: Project) => void): OpenedProjects<Project> {
  const waiting: Project[] = [];
  let ready = false;
  const flush = (): void => {
    if (ready) waiting.splice(0).forEach(deliver);
  };
  return {
    add: (project) => {
      waiting.push(project);
      flush();
    },
    pageReady: () => {
      ready = true;
      flush();
    },
    pageGone: () => {
      ready = false;
    },
  };
}
