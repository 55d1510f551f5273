import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeMessage } from '../../proto/any.ts';
import { messageFromJson } from '../../proto/json.ts';
import { compileYaml, configInputs, resourceErrors } from '../../test/fakes/config.ts';
import { adsSource } from '../api/config/config-source.ts';
import type { DiscoveredFilterData } from '../api/config/extension-config.ts';
import type { HcmConfig } from '../api/config/hcm.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import { loadBootstrap } from '../config/load-bootstrap.ts';
import { createResourceCompiler } from '../config/resource-compiler.ts';

const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';
const CORS = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const SOURCE = 'config_source: {ads: {}, resource_api_version: V3}';

const listener = (discovery: string): string =>
  `{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [{name: h, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, route_config: {}, http_filters: [{name: one, config_discovery: {${discovery}}}, {name: r, typed_config: {"@type": ${ROUTER}}}]}}]}]}`;
const errors = (discovery: string): string[] =>
  resourceErrors('listener', listener(discovery)).map((error) =>
    error.slice(error.indexOf('config_discovery')),
  );

describe('config_discovery', () => {
  it('refers to its resource and keeps the default', () => {
    const compiled = compileYaml(
      'listener',
      listener(
        `${SOURCE}, type_urls: [${FAULT}], default_config: {"@type": ${FAULT}, abort: {http_status: 418}}`,
      ),
    );
    assert.ok(compiled.ok, JSON.stringify(compiled));
    assert.deepEqual(compiled.value.references, [
      {
        kind: 'extension-config',
        name: 'one',
        source: adsSource,
        typeNames: ['envoy.extensions.filters.http.fault.v3.HTTPFault'],
        statPrefix: 'http_filter',
        isAwaited: true,
      },
    ]);
    const data = compiled.value.data as ListenerConfig; // of that kind
    const hcm = data.filterChains[0]?.filters[0]?.data as HcmConfig; // its only filter
    const [filter] = hcm.httpFilters;
    assert.equal(filter?.extension, 'remora.http.config_discovery');
    const found = filter?.data as DiscoveredFilterData; // what it is
    assert.deepEqual([found.id, found.default?.extension], ['one', 'envoy.filters.http.fault']);
  });

  it('is not waited for where its default applies without warming', () => {
    const compiled = compileYaml(
      'listener',
      listener(
        `${SOURCE}, type_urls: [${FAULT}], default_config: {"@type": ${FAULT}}, apply_default_config_without_warming: true`,
      ),
    );
    assert.equal(compiled.ok && compiled.value.references[0]?.isAwaited, false);
  });

  it('says what is wrong with it', () => {
    assert.deepEqual(errors(`${SOURCE}, type_urls: [type.googleapis.com/no.such.Type]`), [
      'config_discovery.type_urls[0]: no factory found for a required type URL no.such.Type',
    ]);
    assert.deepEqual(errors(`${SOURCE}, type_urls: [${ROUTER}]`), [
      'config_discovery.type_urls[0]: not supported yet (a terminal filter: envoy.extensions.filters.http.router.v3.Router)',
    ]);
    assert.deepEqual(
      errors(`${SOURCE}, type_urls: [${FAULT}], apply_default_config_without_warming: true`),
      [
        'config_discovery.apply_default_config_without_warming: filter config one applied without warming but has no default config',
      ],
    );
    assert.deepEqual(
      errors(`${SOURCE}, type_urls: [${FAULT}], default_config: {"@type": ${CORS}}`),
      [
        'config_discovery.default_config: filter config has type URL envoy.extensions.filters.http.cors.v3.Cors but expect envoy.extensions.filters.http.fault.v3.HTTPFault',
      ],
    );
    assert.deepEqual(
      errors(
        `${SOURCE}, type_urls: [${FAULT}], default_config: {"@type": ${FAULT}, headers: [{name: "a b"}]}`,
      ),
      ["config_discovery.default_config.headers[0].name: invalid header name 'a b'"],
    );
  });
});

describe('a TypedExtensionConfig', () => {
  const bootstrap = loadBootstrap({ ...configInputs(), yaml: '{}' });
  const encode = (type: string, json: unknown): Buffer => {
    const read = messageFromJson(type, json, { unknownFields: 'error' });
    assert.ok(read.ok);
    return Buffer.from(encodeMessage(type, read.value.message));
  };
  const extension = (config: unknown): Buffer =>
    encode('envoy.config.core.v3.TypedExtensionConfig', { name: 'one', typed_config: config });

  it('is of a type that all who refer to it allow, and good', () => {
    assert.ok(bootstrap.ok);
    const references = [
      {
        kind: 'extension-config',
        name: 'one',
        source: adsSource,
        typeNames: ['envoy.extensions.filters.http.fault.v3.HTTPFault'],
      },
    ] as const;
    const compiler = createResourceCompiler({ ...bootstrap.value, references }, configInputs());
    const compile = (config: unknown) =>
      compiler.compile('extension-config', extension(config), adsSource, '');
    const good = compile({ '@type': FAULT, abort: { http_status: 418 } });
    assert.ok(good.ok, JSON.stringify(good));
    assert.equal((good.resource.data as { config: { name: string } }).config.name, 'one');
    const other = compile({ '@type': CORS });
    assert.deepEqual(other.ok ? [] : other.errors, [
      {
        path: 'typed_config',
        message:
          'filter config has type URL envoy.extensions.filters.http.cors.v3.Cors but expect envoy.extensions.filters.http.fault.v3.HTTPFault',
      },
    ]);
    const bad = compile({ '@type': FAULT, abort: { http_status: 1 } });
    assert.match(bad.ok ? '' : (bad.errors[0]?.path ?? ''), /^typed_config\.abort\.http_status$/);
  });
});
