import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./ui/tokens.css";
import "./ui/base.css";
import { App } from "./app/App.tsx";
import { applyRememberedTheme } from "./app/theme.ts";
import { startTranslation } from "./i18n/index.ts";
import { connect } from "./rpc/client.ts";

async function start(): Promise<void> {
  const root = document.getElementById("root");
  if (root === null) throw new Error("The page has no place for the program");
  applyRememberedTheme();
  connect();
  await startTranslation();
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}

void start();
