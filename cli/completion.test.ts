import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('main.ts', import.meta.url));

describe('shell completion', () => {
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'remora-completion-'));
    const { stdout } = spawnSync(process.execPath, [cli, 'completion', 'bash'], {
      encoding: 'utf8',
    });
    writeFileSync(join(directory, 'script'), stdout);
  });
  after(() => rmSync(directory, { recursive: true }));

  /** What bash would offer behind these words; the last one is being typed. */
  function offered(...words: string[]): string[] {
    const script = `source ${join(directory, 'script')}
COMP_WORDS=(remora ${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_remora
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    return stdout.split('\n').filter(Boolean);
  }

  it('offers verbs, and the flags and choices of each, behind arguments too', () => {
    assert.deepEqual(offered('ctl', 'x'), ['xds-trace']);
    assert.deepEqual(offered('ctl', 'proxy-'), ['proxy-status', 'proxy-config']);
    assert.deepEqual(offered('ctl', 'proxy-config', 'default/a', 'c'), ['clusters']);
    assert.deepEqual(offered('ctl', 'pc', 'default/a', 'diff', '--a'), [
      '--admin',
      '--api-token-file',
    ]);
    assert.deepEqual(offered('ctl', 'xds-trace', 'default/a', '--f'), ['--for']);
  });

  it('offers what a flag’s value may be', () => {
    assert.deepEqual(offered('ctl', 'proxy-status', '--output', ''), ['table', 'json', 'yaml']);
    assert.deepEqual(offered('ctl', 'xds-trace', 'default/a', '--output', 'j'), ['json']);
  });

  it('is made for fish and zsh as well', () => {
    const script = (shell: string) =>
      spawnSync(process.execPath, [cli, 'completion', shell], { encoding: 'utf8' }).stdout;
    assert.match(script('zsh'), /^#compdef remora\n/);
    assert.match(
      script('fish'),
      /^complete -c remora -f -n '__fish_seen_subcommand_from ctl; and __fish_seen_subcommand_from proxy-config' -a clusters$/m,
    );
  });
});
