import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection, fakeTls } from '../../test/fakes/connection.ts';
import { defaultHcmConfig, HcmScenario } from '../../test/fakes/hcm.ts';
import type { HcmConfig } from '../api/config/hcm.ts';
import type { TlsInfo } from '../api/connection.ts';
import { RequestHeaders } from '../api/headers.ts';
import { addressFromRight } from './client-address.ts';
import { forwardedClientCert } from './xfcc.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What upstream sees of one request; generated ids become 'uuid'. Expectations were read off Envoy 1.40. */
function upstream(
  config: Partial<HcmConfig>,
  headers: string,
  options: { remote?: string; internalOnly?: string[] } = {},
): { fields: string[]; client: string } {
  const connection = new FakeConnection();
  connection.remoteAddress = { ip: options.remote ?? '127.0.0.1', port: 5 };
  const scenario = new HcmScenario({
    config,
    connection,
    internalOnlyHeaders: options.internalOnly ?? [],
  });
  scenario.get('/', headers);
  const fields: string[] = [];
  const flat = scenario.upstreamRequest.fields;
  for (let i = 0; i < flat.length; i += 2) {
    const value = UUID.test(flat[i + 1]!) ? 'uuid' : flat[i + 1]!;
    fields.push(`${flat[i]!}: ${value}`);
  }
  return { fields, client: scenario.router.streamInfo.downstreamRemoteAddress.ip };
}

test('a sidecar behind another proxy trusts x-forwarded-for and adds nothing to it', () => {
  assert.deepEqual(upstream({}, ''), {
    fields: ['x-forwarded-proto: http', 'x-request-id: uuid'],
    client: '127.0.0.1',
  });
  const full = upstream(
    {},
    'TE: gzip, trailers\r\nTrailer: x\r\nx-envoy-internal: true\r\nx-envoy-retry-on: 5xx\r\n' +
      'x-envoy-upstream-rq-timeout-ms: 100\r\nx-envoy-original-path: /z\r\nx-envoy-foo: 1\r\n' +
      'x-envoy-external-address: 1.2.3.4\r\nx-envoy-decorator-operation: d\r\n' +
      'x-envoy-force-trace: 1\r\nx-envoy-attempt-count: 3\r\nx-request-id: abc\r\n' +
      'x-forwarded-client-cert: By=z\r\nx-forwarded-proto: https\r\n' +
      'x-forwarded-for: 1.1.1.1, 2.2.2.2\r\n',
  );
  assert.deepEqual(full, {
    fields: [
      'te: trailers',
      'trailer: x',
      'x-envoy-original-path: /z',
      'x-envoy-foo: 1',
      'x-envoy-external-address: 1.2.3.4',
      'x-envoy-decorator-operation: d',
      'x-envoy-attempt-count: 3',
      'x-request-id: abc',
      'x-forwarded-proto: https',
      'x-forwarded-for: 1.1.1.1, 2.2.2.2',
    ],
    client: '2.2.2.2',
  });
});

test('use_remote_address: the edge appends the peer and believes nobody', () => {
  const edge = upstream(
    { useRemoteAddress: true },
    'x-envoy-internal: true\r\nx-envoy-retry-on: 5xx\r\nx-envoy-original-path: /z\r\n' +
      'x-envoy-original-host: z\r\nx-envoy-external-address: 1.2.3.4\r\n' +
      'x-envoy-decorator-operation: d\r\nx-envoy-downstream-service-cluster: c\r\n' +
      'x-request-id: abc\r\nx-forwarded-proto: https\r\nx-forwarded-for: 1.1.1.1, 2.2.2.2\r\n' +
      'x-forwarded-host: q\r\n',
  );
  assert.deepEqual(edge, {
    fields: [
      'x-envoy-external-address: 127.0.0.1',
      'x-request-id: uuid',
      'x-forwarded-proto: http',
      'x-forwarded-for: 1.1.1.1, 2.2.2.2,192.0.2.2',
    ],
    client: '127.0.0.1',
  });
});

const internal = { useRemoteAddress: true, internalCidrs: ['127.0.0.0/8', '10.0.0.0/8'] };

test('an internal client keeps its steering headers and its request id', () => {
  assert.deepEqual(upstream(internal, 'x-envoy-retry-on: 5xx\r\nx-request-id: abc\r\n').fields, [
    'x-envoy-retry-on: 5xx',
    'x-request-id: abc',
    'x-forwarded-for: 192.0.2.2',
    'x-forwarded-proto: http',
    'x-envoy-internal: true',
  ]);
});

test('x-forwarded-for makes a request external at the edge, whatever it says', () => {
  const { fields } = upstream(internal, 'x-forwarded-for: 10.0.0.1\r\nx-envoy-retry-on: 5xx\r\n');
  assert.deepEqual(fields, [
    'x-forwarded-for: 10.0.0.1,192.0.2.2',
    'x-forwarded-proto: http',
    'x-envoy-external-address: 127.0.0.1',
    'x-request-id: uuid',
  ]);
});

test('behind a proxy a single internal address is internal', () => {
  const config = { internalCidrs: ['10.0.0.0/8'] };
  assert.ok(
    upstream(config, 'x-forwarded-for: 10.0.0.9\r\n').fields.includes('x-envoy-internal: true'),
  );
  assert.ok(
    !upstream(config, 'x-forwarded-for: 10.0.0.8, 10.0.0.9\r\n').fields.includes(
      'x-envoy-internal: true',
    ),
  );
  assert.ok(
    !upstream(config, '', { remote: '10.0.0.9' }).fields.includes('x-envoy-internal: true'),
  );
});

test('trusted hops choose the address and the scheme that may be believed', () => {
  const hops = { useRemoteAddress: true, xffNumTrustedHops: 1 };
  const forwarded = upstream(
    hops,
    'x-forwarded-for: 1.1.1.1, 2.2.2.2\r\nx-forwarded-proto: https\r\n',
  );
  assert.equal(forwarded.client, '2.2.2.2');
  assert.ok(forwarded.fields.includes('x-forwarded-proto: https'));
  assert.ok(forwarded.fields.includes('x-envoy-external-address: 2.2.2.2'));
  assert.equal(upstream(hops, 'x-forwarded-proto: https\r\n').client, '127.0.0.1');
  const behind = upstream({ xffNumTrustedHops: 1 }, 'x-forwarded-for: 10.0.0.9, 2.2.2.2\r\n');
  assert.equal(behind.client, '10.0.0.9');
  assert.equal(
    upstream({ xffNumTrustedHops: 1 }, 'x-forwarded-for: 10.0.0.9\r\n').client,
    '127.0.0.1',
  );
});

test('skip_xff_append, repeated headers, internal-only headers, via, kept request ids', () => {
  assert.ok(
    !upstream({ useRemoteAddress: true, skipXffAppend: true }, '').fields.some((field) =>
      field.startsWith('x-forwarded-for'),
    ),
  );
  const repeated = upstream(
    { useRemoteAddress: true, via: 'rv' },
    'X-Forwarded-For: 5.5.5.5\r\nX-Forwarded-For: 6.6.6.6\r\nVia: a\r\n',
    { remote: '9.9.9.9' },
  );
  assert.ok(repeated.fields.includes('x-forwarded-for: 5.5.5.5,6.6.6.6,9.9.9.9'));
  assert.ok(repeated.fields.includes('via: a, rv'));
  const stripped = upstream({}, 'x-secret: 1\r\nx-open: 1\r\n', { internalOnly: ['x-secret'] });
  assert.deepEqual(stripped.fields.slice(0, 2), ['x-open: 1', 'x-forwarded-proto: http']);
  const traced = '11111111-2222-9333-8444-555555555555';
  const kept = upstream(
    { useRemoteAddress: true, preserveExternalRequestId: true },
    `x-request-id: ${traced}\r\n`,
  );
  assert.ok(kept.fields.includes('x-request-id: uuid'));
  assert.deepEqual(upstream({ generateRequestId: false }, '').fields, ['x-forwarded-proto: http']);
});

test('the client address is counted from the right', () => {
  const table: [string, number, string | null][] = [
    ['1.1.1.1', 0, '1.1.1.1'],
    ['1.1.1.1, 2.2.2.2', 0, '2.2.2.2'],
    ['1.1.1.1,2.2.2.2 , 3.3.3.3', 1, '2.2.2.2'],
    ['1.1.1.1', 1, null],
    ['1.1.1.1, unknown', 0, null],
    ['1.1.1.1,', 0, null],
    ['::1', 0, '::1'],
    ['1.2.3.4:80', 0, null],
    ['', 0, null],
  ];
  for (const [list, skip, expected] of table) {
    assert.equal(addressFromRight(list, skip)?.ip ?? null, expected, `${list} ${skip}`);
  }
});

const peer: Partial<TlsInfo> = {
  sha256PeerCertificateDigest: 'abcd',
  uriSanLocalCertificate: ['spiffe://t/ns/a/sa/me'],
  uriSanPeerCertificate: ['spiffe://t/ns/a/sa/you'],
  dnsSansPeerCertificate: ['a.example', 'b.example'],
  subjectPeerCertificate: 'CN=you',
  issuerPeerCertificate: 'CN=ca',
  pemPeerCertificate: 'a b\n',
  pemPeerCertificateChain: ['a b\n', 'c'],
};
type Details = HcmConfig['setCurrentClientCertDetails'];
const none: Details = { ...defaultHcmConfig.setCurrentClientCertDetails };
const all: Details = { ...none, subject: true, dns: true, uri: true };
const whole: Details = { ...none, cert: true, chain: true, issuer: true };
const asJson: Details = { ...none, subject: true, chain: true, format: 'JSON' };
const json =
  '{"by":["spiffe://t/ns/a/sa/me"],"hash":"abcd","chain":["a b\\n","c"],"subject":"CN=you"}';
const full =
  'By=spiffe://t/ns/a/sa/me;Hash=abcd;Subject="CN=you";URI=spiffe://t/ns/a/sa/you;DNS=a.example;DNS=b.example';

test('x-forwarded-client-cert by mode', () => {
  type Mode = HcmConfig['forwardClientCertDetails'];
  const tls = fakeTls(peer);
  const noCert = fakeTls({ peerCertificatePresented: false });
  const table: [Mode, Details, TlsInfo | null, string | null, string | null][] = [
    ['SANITIZE', all, tls, 'By=x', null],
    ['SANITIZE', all, null, 'By=x', null],
    ['FORWARD_ONLY', all, tls, 'By=x', 'By=x'],
    ['FORWARD_ONLY', all, tls, null, null],
    ['FORWARD_ONLY', all, null, 'By=x', null],
    ['FORWARD_ONLY', all, noCert, 'By=x', null],
    ['ALWAYS_FORWARD_ONLY', all, null, 'By=x', 'By=x'],
    ['APPEND_FORWARD', all, tls, 'By=x', `By=x,${full}`],
    ['APPEND_FORWARD', all, tls, null, full],
    ['APPEND_FORWARD', all, null, 'By=x', null],
    ['SANITIZE_SET', all, tls, 'By=x', full],
    ['SANITIZE_SET', none, tls, null, 'By=spiffe://t/ns/a/sa/me;Hash=abcd'],
    ['SANITIZE_SET', { ...none, subject: true, uri: true }, fakeTls(), null, 'Subject="";URI='],
    ['SANITIZE_SET', all, noCert, 'By=x', null],
    [
      'SANITIZE_SET',
      whole,
      tls,
      null,
      'By=spiffe://t/ns/a/sa/me;Hash=abcd;Cert="a%20b%0A";Chain="a%20b%0Ac";Issuer="CN=ca"',
    ],
    ['SANITIZE_SET', asJson, tls, 'By=x', `[${json}]`],
    ['APPEND_FORWARD', asJson, tls, '[{"by":["x"]}]', `[{"by":["x"]},${json}]`],
    ['APPEND_FORWARD', asJson, tls, '[]', `[${json}]`],
    [
      'APPEND_FORWARD',
      asJson,
      tls,
      'By=x',
      'By=x,By=spiffe://t/ns/a/sa/me;Hash=abcd;Chain="a%20b%0Ac";Subject="CN=you"',
    ],
  ];
  for (const [mode, details, info, given, expected] of table) {
    const fields = given === null ? [] : ['x-forwarded-client-cert', given];
    const headers = new RequestHeaders('GET', '/', 'h', 'http', fields);
    forwardedClientCert(headers, info, {
      ...defaultHcmConfig,
      forwardClientCertDetails: mode,
      setCurrentClientCertDetails: details,
    });
    assert.equal(headers.get('x-forwarded-client-cert'), expected, `${mode} ${given}`);
  }
});
