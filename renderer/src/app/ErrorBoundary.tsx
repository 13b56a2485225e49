import { Component, type ErrorInfo, type ReactNode } from "react";

interface State {
  readonly error: Error | null;
}

interface Properties {
  readonly children: ReactNode;
  /** Shown in place of what failed. */
  readonly fallback: (error: Error) => ReactNode;
}

/** Catches what a part of the page throws while it draws. Jobs and the project live in the server and go on. */
export class ErrorBoundary extends Component<Properties, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    console.error(error, info.componentStack);
  }

  override render(): ReactNode {
    return this.state.error === null ? this.props.children : this.props.fallback(this.state.error);
  }
}
