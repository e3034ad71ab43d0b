import { defineConfig } from "vitest/config";

// One page entry (every page loads the same module; it looks at `data-page`) and the engine's Worker,
// which Vite bundles from `new Worker(new URL(...), { type: "module" })`.
export default defineConfig({
  base: "/static/dist/",
  build: {
    outDir: "static/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "es2022",
    sourcemap: true,
    rollupOptions: {
      input: {
        app: "static/src/pages/app.ts",
        admin: "static/css/admin.css",
        adminProgress: "static/src/pages/admin-progress.ts",
        // Served with DEBUG only.
        states: "static/src/pages/states.ts",
        theme: "static/src/pages/theme-early.ts",
      },
    },
  },
  worker: { format: "es" },
  test: { include: ["static/src/**/*.test.ts"], environment: "node" },
});
