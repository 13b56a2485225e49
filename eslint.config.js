import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";
import { importDirection } from "./build/lint/import-direction.mjs";

const TESTS = ["**/*.test.ts", "**/*.test.tsx", "test/**"];

export default tseslint.config(
  { ignores: ["dist/", "output/", "node_modules/", ".runtime/", "python-runtime/", "resources/", "renderer/vite.config.ts.timestamp-*"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["electron/**/*.ts", "renderer/**/*.{ts,tsx}", "test/**/*.ts", "vitest.config.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { studio: { rules: { "import-direction": importDirection } } },
    rules: {
      "studio/import-direction": "error",
      eqeqeq: "error",
      // Adding a member to a union must show every switch that has to change, also those with a default.
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // A type alias and an interface read differently: unions and function types are aliases anyway.
      "@typescript-eslint/consistent-type-definitions": "off",
    },
  },
  {
    files: ["renderer/**/*.{ts,tsx}"],
    extends: [reactHooks.configs.flat["recommended-latest"]],
    rules: {
      // Event handlers of elements may be asynchronous; what they await is shown in the interface.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
    },
  },
  {
    files: TESTS,
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      // Fakes keep the interface of what they stand for, and `expect.any` is of type any.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
    },
  },
  {
    files: ["build/**/*.mjs", "eslint.config.js"],
    rules: { eqeqeq: "error", "no-unused-vars": "error", "prefer-const": "error", "no-undef": "off" },
  },
);
