/** Value of a cookie; null when it is not there. */
export function readCookie(header: string | undefined, name: string): string | null {
  for (const pair of (header ?? "").split(";")) {
    const [key, value] = pair.trim().split("=", 2);
    if (key === name && value !== undefined) return value;
  }
  return null;
}

/** Cookies are shared by all ports of a machine; with the port in the name, two studios leave each other alone. */
export function sessionCookieName(port: number): string {
  return `avatar_studio_${String(port)}`;
}

/** `HttpOnly`: no script reads it. `Strict`: no other site's page makes the browser send it. */
export function sessionCookie(name: string, sessionId: string, seconds: number, secure: boolean): string {
  return `${name}=${sessionId}; Path=/; Max-Age=${String(seconds)}; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
}
