import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkFilterData, networkFilterErrors } from '../../test/fakes/config.ts';
import type { ExtensionData } from '../api/factory.ts';
import { defaultAccessLogFormat } from './format.ts';

const TCP = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const log = (type: string, body = '', filter = ''): string =>
  `stat_prefix: t, cluster: c, access_log: [{name: l, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.${type}${body}}${filter}}]`;
const file = (body: string, filter = ''): string =>
  log('file.v3.FileAccessLog', `, path: /x, ${body}`, filter);

function compiled(text: string): unknown {
  // That type's data.
  const data = networkFilterData(TCP, text) as { readonly accessLogs: readonly ExtensionData[] };
  return data.accessLogs[0]?.data;
}

describe('access logs', () => {
  it("have Envoy's default format", () => {
    const format = { kind: 'text', text: defaultAccessLogFormat, omitEmptyValues: false };
    assert.deepEqual(compiled(log('stream.v3.StdoutAccessLog')), { format, filter: null });
    assert.deepEqual(compiled(log('stream.v3.StderrAccessLog')), { format, filter: null });
    assert.deepEqual(compiled(log('file.v3.FileAccessLog', ', path: /x')), {
      path: '/x',
      format,
      filter: null,
    });
  });

  it('take text and JSON, in the old spellings too', () => {
    const json = {
      kind: 'json',
      tree: { a: { b: ['%PROTOCOL%', 1] } },
      omitEmptyValues: false,
      sortProperties: false,
    };
    const text = { kind: 'text', text: 'x\n', omitEmptyValues: true };
    const format = (body: string): unknown =>
      JSON.parse(JSON.stringify((compiled(file(body)) as { readonly format: unknown }).format));
    assert.deepEqual(format('log_format: {json_format: {a: {b: ["%PROTOCOL%", 1]}}}'), json);
    assert.deepEqual(format('typed_json_format: {a: {b: ["%PROTOCOL%", 1]}}'), json);
    assert.deepEqual(
      format('log_format: {text_format_source: {inline_string: "x\\n"}, omit_empty_values: true}'),
      text,
    );
    assert.deepEqual(format('format: "x\\n"'), { ...text, omitEmptyValues: false });
  });

  it('compile filters, nested too', () => {
    const data = compiled(
      file(
        'format: x',
        ', filter: {or_filter: {filters: [{status_code_filter: {comparison: {op: GE, value: {default_value: 500, runtime_key: k}}}}, {and_filter: {filters: [{response_flag_filter: {flags: [UH]}}, {header_filter: {header: {name: X, present_match: true}}}]}}]}}',
      ),
    );
    assert.deepEqual((data as { readonly filter: unknown }).filter, {
      kind: 'or',
      filters: [
        { kind: 'status_code', comparison: { op: 'GE', value: 500 } },
        {
          kind: 'and',
          filters: [
            { kind: 'response_flag', flags: ['UH'] },
            {
              kind: 'header',
              header: {
                name: 'x',
                match: { kind: 'present', present: true },
                invert: false,
                treatMissingAsEmpty: false,
              },
            },
          ],
        },
      ],
    });
  });

  it('refuse bad formats in every leaf, and filters that are not built yet', () => {
    assert.deepEqual(
      networkFilterErrors(
        TCP,
        file('log_format: {json_format: {a: "%REQ%", b: ["%DURATION", "%PROTOCOL(x)%"]}}'),
      ),
      [
        'access_log[0].typed_config.log_format.json_format.a: %REQ% needs an argument in parentheses',
        "access_log[0].typed_config.log_format.json_format.b[0]: malformed operator at position 0: '%DURATION'",
        'access_log[0].typed_config.log_format.json_format.b[1]: %PROTOCOL% takes no argument',
      ],
    );
    assert.deepEqual(
      networkFilterErrors(TCP, file('format: x', ', filter: {traceable_filter: {}}')),
      ['access_log[0].filter.traceable_filter: not supported yet'],
    );
  });
});
