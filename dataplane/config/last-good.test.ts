import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bootstrapErrors, loadYaml } from '../../test/fakes/config.ts';

const TYPE = 'type.googleapis.com/remora.extensions.bootstrap.last_good.v1.LastGood';
const extension = (fields: string) =>
  `{ name: remora.last_good, typed_config: { "@type": ${TYPE}, ${fields} } }`;
const bootstrap = (...extensions: string[]) => `bootstrap_extensions: [${extensions.join(', ')}]`;

describe('last good resources in the bootstrap', () => {
  it('are not kept unless it says so', () => {
    const loaded = loadYaml('{}');
    assert.ok(loaded.ok);
    assert.equal(loaded.value.lastGood, null);
  });

  it('need a directory and have defaults', () => {
    const loaded = loadYaml(bootstrap(extension('state_directory: /s')));
    assert.ok(loaded.ok);
    assert.deepEqual(loaded.value.lastGood, {
      stateDirectory: '/s',
      holdoffMs: 1000,
      maxBytes: 67_108_864,
      maxAgeMs: 604_800_000,
      graceMs: 500,
    });
  });

  it('are as the bootstrap says', () => {
    const fields = 'state_directory: /s, holdoff: 2s, max_bytes: 1024, max_age: 60s, grace: 0s';
    const loaded = loadYaml(bootstrap(extension(fields)));
    assert.ok(loaded.ok);
    assert.deepEqual(loaded.value.lastGood, {
      stateDirectory: '/s',
      holdoffMs: 2000,
      maxBytes: 1024,
      maxAgeMs: 60_000,
      graceMs: 0,
    });
  });

  it('are refused with what makes no sense', () => {
    const fields =
      'state_directory: "", holdoff: 0.001s, max_bytes: 1023, max_age: 0s, grace: -0.5s';
    const errors = bootstrapErrors(bootstrap(extension(fields))).join('\n');
    for (const field of ['state_directory', 'holdoff', 'max_bytes', 'max_age', 'grace']) {
      assert.match(errors, new RegExp(`typed_config\\.${field}: `));
    }
  });

  it('are one', () => {
    const one = extension('state_directory: /s');
    assert.match(bootstrapErrors(bootstrap(one, one)).join(), /\[1\]: there is another/);
  });

  it('are the only bootstrap extension that there is', () => {
    const other =
      '{ name: x, typed_config: { "@type": type.googleapis.com/envoy.extensions.wasm.v3.WasmService } }';
    assert.match(
      bootstrapErrors(bootstrap(other)).join(),
      /not supported yet: bootstrap_extensions/,
    );
    const unknown = '{ name: x, typed_config: { "@type": type.googleapis.com/a.B } }';
    assert.match(bootstrapErrors(bootstrap(unknown)).join(), /unknown type/);
    assert.match(bootstrapErrors(bootstrap('{ name: x }')).join(), /typed_config: is required/);
  });
});
