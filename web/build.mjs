// Bundles the desk into functions/chalicelib/web: hashed files, and the page that names them. The same input gives the
// same bytes on every machine, so that CI can build it again and compare. `--tests` bundles the unit tests instead.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const web = join(here, "..", "functions", "chalicelib", "web");
const common = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "preact",
};

if (process.argv.includes("--tests")) {
  rmSync(join(here, ".tests"), { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: readdirSync(join(here, "test")).map((name) => join("test", name)),
    outdir: ".tests",
    outExtension: { ".js": ".mjs" },
    platform: "node",
  });
} else {
  const assets = join(web, "assets");
  rmSync(assets, { recursive: true, force: true });
  mkdirSync(assets, { recursive: true });
  const built = await build({
    ...common,
    entryPoints: { desk: "src/main.tsx", style: "src/style.css" },
    outdir: assets,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    splitting: true,
    minify: true,
    target: ["es2022"],
    legalComments: "none",
    metafile: true,
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const named = (start) => {
    const [output] = Object.entries(built.metafile.outputs).find(([, each]) => each.entryPoint === start);
    return `assets/${basename(output)}`;
  };
  const early = readFileSync(join(here, "..", "docs", "api", "pages", "theme_early.js"), "utf8");
  const page = readFileSync(join(here, "src", "desk.html"), "utf8")
    .replace("/*THEME*/", () => early)
    .replaceAll("STYLE_FILE", named("src/style.css"))
    .replaceAll("SCRIPT_FILE", named("src/main.tsx"));
  writeFileSync(join(web, "desk.html"), page);
  writeFileSync(join(here, "built-from.txt"), `${sourcesDigest()}\n`);
  const sent = (content) => gzipSync(content, { level: 9 }).length;
  let [total, compressed] = [page.length, sent(page)];
  for (const name of readdirSync(assets).sort()) {
    const content = readFileSync(join(assets, name));
    total += content.length;
    compressed += sent(content);
    console.log(`${String(content.length).padStart(8)} ${String(sent(content)).padStart(7)}  assets/${name}`);
  }
  console.log(
    `${String(total).padStart(8)} ${String(compressed).padStart(7)}  in all, as it is and as it is sent`,
  );
  if (compressed > 150 * 1024) throw new Error("The desk is sent in more than 150 KB.");
}

// What the built files were made from: a test without Node compares it (tests/unit/docs).
function sourcesDigest() {
  const digest = createHash("sha256");
  const sources = readdirSync(join(here, "src"), { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name !== "api.ts")
    .map((each) => join(each.parentPath, each.name));
  sources.push(
    ...["build.mjs", "package-lock.json", "../docs/api/pages/theme_early.js"].map((name) => join(here, name)),
  );
  for (const path of sources.map((each) => relative(here, each).replaceAll("\\", "/")).sort()) {
    digest.update(`${path}\n`);
    digest.update(readFileSync(join(here, path)));
  }
  return digest.digest("hex");
}
