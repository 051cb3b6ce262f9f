// Holds docs/troubleshooting.md to what reproduces it: every entry names tests or scenarios that are there, and reasons and pages
// that there are.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../tools/run-tool.ts';

const docs = path.join(projectRoot, 'docs');
const page = readFileSync(path.join(docs, 'troubleshooting.md'), 'utf8');

/** Entries begin with bold type below a heading that is not the first. */
const entries = page
  .slice(page.indexOf('## The driver itself'))
  .split(/^(?=\*\*)/m)
  .filter((text) => text.startsWith('**'));

/** Files and names that an entry says it is shown by, in pairs; a name goes with the file before it. */
function shownBy(entry: string): { readonly file: string; readonly name: string }[] {
  const shown: { file: string; name: string }[] = [];
  for (const [, said = ''] of entry.matchAll(/Shown by\s([\s\S]*?)(?=\n\n|Shown by|\. [A-Z]|$)/g)) {
    let file = '';
    for (const [, named, quoted] of said.matchAll(/`([^`]+\.ts)`|"([^"]+)"/g)) {
      if (named !== undefined) file = named;
      else if (quoted !== undefined) shown.push({ file, name: quoted });
    }
  }
  return shown;
}

function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

describe('docs/troubleshooting.md', () => {
  it('has entries, each of which is shown by something', () => {
    assert.ok(entries.length > 20, String(entries.length));
    for (const entry of entries) assert.notDeepEqual(shownBy(entry), [], entry);
  });

  it('has no entry that was not reproduced on a real Kubernetes', () => {
    for (const entry of entries)
      assert.ok(
        shownBy(entry).some(({ file }) => file.startsWith('e2e/')),
        entry,
      );
  });

  it('names tests and scenarios that are there', () => {
    for (const { file, name } of entries.flatMap(shownBy)) {
      const place = path.join(projectRoot, file);
      assert.ok(existsSync(place), file);
      assert.ok(readFileSync(place, 'utf8').includes(name), `${file} has nothing called "${name}"`);
    }
  });

  for (const name of ['troubleshooting.md', 'quick-start.md', 'installation.md', 'upgrade.md'])
    it(`links from ${name} to what is there`, () => {
      const text = readFileSync(path.join(docs, name), 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [file = '', anchor] = target.split('#');
        const place = file === '' ? path.join(docs, name) : path.join(docs, file);
        assert.ok(existsSync(place), `${name}: ${target}`);
        if (anchor !== undefined)
          assert.ok(headingsOf(readFileSync(place, 'utf8')).includes(anchor), `${name}: ${target}`);
      }
    });
});
