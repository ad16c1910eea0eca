import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const root = import.meta.dirname;
const entries = path.join(root, 'src/entries');
// Build only some pages while working on them: VITE_ENTRIES=main,plain VITE_OUT_DIR=/elsewhere npm run build
const only = process.env['VITE_ENTRIES']?.split(',');

/** The shapes inside an icon as [tag, attributes]. */
function shapesOf(svg: string): [string, Record<string, string>][] {
  const inside = svg.slice(svg.indexOf('>', svg.indexOf('<svg')) + 1);
  return [...inside.matchAll(/<(\w+)\s([^>]*?)\/>/g)].map(([, tag = '', attributes = '']) => [
    tag,
    Object.fromEntries([...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value])),
  ]);
}

/** Server-rendered pages draw Lucide icons inline; the template tag reads their outlines from this one file. */
function lucideOutlines(): Plugin {
  return {
    name: 'pacsweb-lucide-outlines',
    apply: 'build',
    generateBundle() {
      // The drawings, not icon-nodes.json: they include the names that icons had before.
      const drawings = path.join(root, 'node_modules/lucide-static/icons');
      const outlines = Object.fromEntries(
        readdirSync(drawings)
          .filter((name) => name.endsWith('.svg'))
          .map((name) => [path.parse(name).name, shapesOf(readFileSync(path.join(drawings, name), 'utf8'))]),
      );
      this.emitFile({ type: 'asset', fileName: 'icons.json', source: JSON.stringify(outlines) });
    },
  };
}

export default defineConfig({
  root,
  // Relative links inside the bundle keep it independent of STATIC_URL.
  base: './',
  plugins: [lucideOutlines()],
  resolve: {
    alias: { '@': path.join(root, 'src'), events: 'events/' },
    dedupe: ['@cornerstonejs/core', '@cornerstonejs/metadata', '@kitware/vtk.js', 'gl-matrix', 'dcmjs'],
  },
  worker: { format: 'es' },
  build: {
    outDir: process.env['VITE_OUT_DIR'] ?? 'dist',
    emptyOutDir: true,
    manifest: true,
    target: 'es2022',
    // light-dark() and nesting stay as written: older engines than these are not supported.
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    // A data: URL would need a weaker Content-Security-Policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 10_000,
    rolldownOptions: {
      // htmx holds an eval that htmx.config.allowEval = false never reaches.
      checks: { eval: false },
      input: Object.fromEntries(
        readdirSync(entries)
          .filter((name) => name.endsWith('.ts') && (!only || only.includes(path.parse(name).name)))
          .map((name) => [path.parse(name).name, path.join(entries, name)]),
      ),
    },
  },
});
