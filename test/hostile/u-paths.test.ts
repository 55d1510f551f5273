// Suite B: paths. A policy denies /admin and what is below it; no spelling of it may reach the upstream in a form that
// the policy would have denied, and what the policy judged is what the upstream sees.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ParsedRequest } from '../garden/strict-parser.ts';
import { HostileScene, isWhole, type Received, statusOf } from './harness.ts';
import { hostileRequests, judgeRow, type RequestRow, refusedOpen, served } from './requests.ts';

/** Denies /admin and what is below it. */
const POLICY =
  '{ name: rbac, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, rules: { action: DENY, policies: { admin: { permissions: [{ or_rules: { rules: [{ url_path: { path: { exact: /admin } } }, { url_path: { path: { prefix: /admin/ } } }] } }], principals: [{ any: true }] } } } } }';

const isAdmin = (target: string): boolean => {
  const [path = ''] = target.split('?');
  return path === '/admin' || path.startsWith('/admin/');
};

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
const isAt = (target: string) => (request: ParsedRequest) => assert.equal(request.target, target);
const DENIED = /^rbac_access_denied_matched_policy\[admin\]$/;
const NORMALIZATION = /^path_normalization_failed$/;

const denied = (name: string, target: string): RequestRow =>
  refusedOpen(name, get(target), DENIED, [403]);
const at = (name: string, target: string, seen: string): RequestRow =>
  served(name, get(target), isAt(seen));
const failed = (name: string, target: string): RequestRow =>
  refusedOpen(name, get(target), NORMALIZATION);

interface Level {
  readonly name: string;
  readonly hcm: readonly string[];
  readonly rows: readonly RequestRow[];
}

const BASE = 'normalize_path: true';
const MERGE = 'merge_slashes: true';
const escaped = (action: string) => `path_with_escaped_slashes_action: ${action}`;

const levels: readonly Level[] = [
  {
    name: 'NONE',
    hcm: [],
    rows: [
      at('U-13 dots stay without normalize_path', '/a/../b', '/a/../b'),
      at('U-15 an escaped slash is kept', '/a%2fb', '/a%2fb'),
      at('U-16 slashes stay without merge_slashes', '//admin/x', '//admin/x'),
    ],
  },
  {
    name: 'BASE',
    hcm: [BASE],
    rows: [
      denied('U-13 /a/../admin', '/a/../admin'),
      denied('U-13 /a/./../admin/./b', '/a/./../admin/./b'),
      at('U-13 /a/./b', '/a/./b', '/a/b'),
      at('U-13 above the root', '/../../x', '/x'),
      failed('U-12 %00', '/a%00b'),
      denied('U-14 %2e%2e', '/a/%2e%2e/admin'),
      denied('U-14 %2E.', '/a/%2E./admin'),
      denied('U-14 an escaped letter', '/%61dmin/x'),
      at('U-14 an escaped letter elsewhere', '/%41', '/A'),
      denied('U-17 a back-slash is a slash', '/admin\\x'),
      denied('U-17 dots between back-slashes', '/a\\..\\admin'),
    ],
  },
  {
    name: 'MERGE_SLASHES',
    hcm: [BASE, MERGE, escaped('REJECT_REQUEST')],
    rows: [
      denied('U-16 //admin/x', '//admin/x'),
      denied('U-16 ///admin', '///admin'),
      at('U-16 /a///b', '/a///b', '/a/b'),
      ...['%2f', '%2F', '%5c', '%5C'].map((slash) =>
        failed(`U-15 ${slash} is refused`, `/x${slash}admin`),
      ),
    ],
  },
  {
    name: 'DECODE_AND_MERGE_SLASHES',
    hcm: [BASE, MERGE, escaped('UNESCAPE_AND_FORWARD')],
    rows: [
      ...['%2f', '%2F', '%5c', '%5C'].flatMap((slash) => [
        denied(`U-15 ${slash} is decoded for the policy`, `/admin${slash}x`),
        at(`U-15 ${slash} is decoded for the upstream`, `/a${slash}b`, '/a/b'),
      ]),
      denied('U-17 escaped dots and back-slashes', '/a%5c%2e%2e%5Cadmin'),
    ],
  },
];

for (const level of levels) {
  describe(`suite B, paths at ${level.name}`, () => {
    let scene: HostileScene;
    before(async () => {
      scene = await HostileScene.start({ hcm: level.hcm, filters: [POLICY] });
    });
    after(() => scene.stop());

    for (const row of level.rows) test(row.name, () => judgeRow(scene, row));

    test('U-18 %01 to %ff behind /admin: the verdict is that of the path which goes upstream', async () => {
      for (let code = 1; code <= 0xff; code++) {
        const hex = code.toString(16).padStart(2, '0');
        await judgeSwept(scene, `/admin%${hex}?i=${code}`);
      }
      await scene.good();
      assert.equal((await scene.logLines(255)).length, 255);
    });
  });
}

/** Sends one target of the sweep; the answer and what the upstream saw must agree. */
async function judgeSwept(scene: HostileScene, target: string): Promise<void> {
  const received: Received = await scene.send(get(target), isWhole);
  const seen = hostileRequests(scene);
  const status = statusOf(received);
  if (status === 200) {
    assert.equal(seen.length, 1, target);
    assert.ok(!isAdmin(seen[0]?.target ?? ''), `${target} got through as ${seen[0]?.target}`);
    return;
  }
  assert.ok(status === 403 || status === 400, `${target}: ${received.text}`);
  assert.deepEqual(seen, [], target);
}

describe('suite B, redirects to unescaped paths', () => {
  let scene: HostileScene;
  before(async () => {
    scene = await HostileScene.start({
      hcm: [BASE, MERGE, escaped('UNESCAPE_AND_REDIRECT')],
      filters: [POLICY],
    });
  });
  after(() => scene.stop());

  test('U-15 %2f and %5c get a 307 to the path without them', async () => {
    const before = await scene.stats();
    for (const slash of ['%2f', '%2F', '%5c', '%5C']) {
      const received = await scene.send(get(`/x/..${slash}admin?q=%2f`), isWhole);
      assert.equal(statusOf(received), 307);
      assert.match(received.text, /\r\nlocation: \/admin\?q=%2f\r\n/);
    }
    await scene.good();
    assert.deepEqual(hostileRequests(scene), []);
    const after = await scene.stats();
    const name = 'http.ingress.downstream_rq_redirected_with_normalized_path';
    assert.equal((after.get(name) ?? 0) - (before.get(name) ?? 0), 4);
    for (const { code, details } of await scene.logLines(4)) {
      assert.deepEqual({ code, details }, { code: 307, details: 'path_normalization_failed' });
    }
  });
});
