import { useState } from "react";
import { useLatest } from "../../rpc/stream.ts";
import { runtime } from "../../rpc/streams.ts";
import { Runtime } from "../setup/Runtime.tsx";

/** On the first start, the one thing to do stands where one begins. It stays until the page is left, so that its end is seen. */
export function EngineMissing() {
  const report = useLatest(runtime);
  const [wasMissing, setWasMissing] = useState(false);
  if (report !== null && report.current === null && !wasMissing) setWasMissing(true);
  return wasMissing ? <Runtime /> : null;
}
