import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LookupFamily } from '../../api/config/dns.ts';
import { candidates, FileAwareResolver, parseHosts, parseResolvConf } from './name-resolver.ts';

type Answer = readonly string[] | 'ENOTFOUND' | 'ENODATA' | 'ESERVFAIL';

/** Answers by `4 name` and `6 name`; anything else does not exist. */
function resolver(answers: Record<string, Answer>, files: Record<string, string> = {}) {
  const asked: string[] = [];
  const answer = async (question: string) => {
    asked.push(question);
    const found = answers[question] ?? 'ENOTFOUND';
    if (typeof found === 'string') throw Object.assign(new Error(found), { code: found });
    return found.map((address) => ({ address, ttl: 30 }));
  };
  const made = new FileAwareResolver(
    { resolve4: (name) => answer(`4 ${name}`), resolve6: (name) => answer(`6 ${name}`) },
    async (path) => {
      const text = files[path];
      if (text === undefined) throw new Error('no such file');
      return text;
    },
  );
  const resolve = async (name: string, family: LookupFamily = 'V4_ONLY') =>
    (await made.resolve(name, family)).map(({ ip }) => ip);
  return { asked, resolve, made };
}

test('lookup families', async () => {
  const both = { '4 a.test.': ['1.1.1.1'], '6 a.test.': ['::1'] };
  const table: [LookupFamily, Record<string, Answer>, string[]][] = [
    ['V4_ONLY', both, ['1.1.1.1']],
    ['V6_ONLY', both, ['::1']],
    ['AUTO', both, ['::1']],
    ['AUTO', { '4 a.test.': ['1.1.1.1'] }, ['1.1.1.1']],
    ['AUTO', { '4 a.test.': ['1.1.1.1'], '6 a.test.': 'ESERVFAIL' }, ['1.1.1.1']],
    ['V4_PREFERRED', both, ['1.1.1.1']],
    ['V4_PREFERRED', { '6 a.test.': ['::1'], '4 a.test.': 'ENODATA' }, ['::1']],
    ['ALL', both, ['1.1.1.1', '::1']],
    ['ALL', { '4 a.test.': 'ESERVFAIL', '6 a.test.': ['::1'] }, ['::1']],
    ['ALL', {}, []],
  ];
  for (const [family, answers, expected] of table) {
    assert.deepEqual(await resolver(answers).resolve('a.test.', family), expected, family);
  }
});

test('a server that fails is a failure; a name that does not exist is an empty answer', async () => {
  await assert.rejects(resolver({ '4 a.test.': 'ESERVFAIL' }).resolve('a.test.'), /ESERVFAIL/);
  const { resolve } = resolver({ '4 a.test.': 'ENODATA', '6 a.test.': 'ESERVFAIL' });
  await assert.rejects(resolve('a.test.', 'AUTO'), /ESERVFAIL/, 'one family could have had it');
  assert.deepEqual(await resolver({}).resolve('a.test.'), []);
});

test('the hosts file comes first and asks nobody', async () => {
  const files = { '/etc/hosts': '127.0.0.1 localhost\n10.0.0.9  Orders orders.test # comment\n' };
  const { asked, resolve } = resolver({ '4 orders': ['1.1.1.1'] }, files);
  assert.deepEqual(await resolve('orders'), ['10.0.0.9']);
  assert.deepEqual(asked, []);
  assert.deepEqual(await resolve('orders', 'V6_ONLY'), [], 'the file has no such family');
  assert.deepEqual(asked, ['6 orders']);
});

test('names with fewer dots than ndots try the search list first', async () => {
  const files = {
    '/etc/resolv.conf': 'search old\nsearch ns.svc svc.\noptions ndots:2 timeout:1\n',
  };
  const { asked, resolve } = resolver({ '4 orders.svc': ['1.1.1.1'] }, files);
  assert.deepEqual(await resolve('orders'), ['1.1.1.1']);
  assert.deepEqual(asked, ['4 orders.ns.svc', '4 orders.svc']);
});

test('parses hosts files and resolv.conf as written by people', () => {
  const hosts = '#127.0.0.1 a\n  ::1\ta b # a\n\n10.0.0.1 A.\nbroken\n10.0.0.2 b a';
  assert.deepEqual(
    parseHosts(hosts, 'A').map(({ ip }) => ip),
    ['::1', '10.0.0.2'],
  );
  assert.deepEqual(parseResolvConf(''), { domains: [], ndots: 1 });
  const text = 'nameserver 1.1.1.1\ndomain a.b\noptions rotate ndots:99 ndots:x\n';
  assert.deepEqual(parseResolvConf(text), { domains: ['a.b'], ndots: 15 });
  const search = { domains: ['x', '.'], ndots: 1 };
  assert.deepEqual(candidates('a.b', search), ['a.b', 'a.b.x']);
  assert.deepEqual(candidates('a', search), ['a.x', 'a']);
  assert.deepEqual(candidates('a.', search), ['a.']);
});

test('the search list is left alone where no_default_search_domain says so, and families that go nowhere are dropped', async () => {
  const asked: string[] = [];
  const made = new FileAwareResolver(
    {
      resolve4: async (name) => {
        asked.push(name);
        return [{ address: '1.1.1.1', ttl: 1 }];
      },
      resolve6: async () => [{ address: '::1', ttl: 1 }],
    },
    async () => 'search example.test',
    false,
    (ip) => ip !== '1.1.1.1',
  );
  assert.deepEqual(
    (await made.resolve('a', 'ALL')).map(({ ip }) => ip),
    ['::1'],
  );
  assert.deepEqual(asked, ['a']);
});
