import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeRoute } from '../../test/fakes/hcm.ts';
import { RequestHeaders } from '../api/headers.ts';
import type { FilterEntry } from './filter-manager-host.ts';
import { isBrokenHandshake, Upgrades } from './upgrades.ts';

const entry = (name: string): FilterEntry => ({
  name,
  config: { createFilter: () => ({ decoder: null, encoder: null }) },
  disabled: false,
});
const usual = [entry('usual')];
const own = [entry('own')];

const upgrades = new Upgrades(
  [
    { type: 'websocket', enabled: true, filters: null },
    { type: 'own', enabled: true, filters: [] },
    { type: 'off', enabled: false, filters: null },
  ],
  [null, own, null],
  usual,
);

const routeSaying = (enabled: boolean | null) => fakeRoute({ upgradeEnabled: () => enabled });

test('the connection manager names what may pass, in any case, with filters of its own', () => {
  assert.equal(upgrades.filtersFor('WebSocket', null), usual);
  assert.equal(upgrades.filtersFor('own', routeSaying(null)), own);
  assert.equal(upgrades.filtersFor('off', routeSaying(null)), null);
  assert.equal(upgrades.filtersFor('other', null), null);
  assert.equal(upgrades.filtersFor('websocket, foo', null), null);
});

test('the route goes before it, both ways', () => {
  assert.equal(upgrades.filtersFor('websocket', routeSaying(false)), null);
  assert.equal(upgrades.filtersFor('off', routeSaying(true)), usual);
  assert.equal(upgrades.filtersFor('other', routeSaying(true)), usual);
  assert.equal(upgrades.filtersFor('own', routeSaying(true)), own);
});

test('the filters of upgrades are disposed of with the manager', () => {
  assert.deepEqual([...upgrades.ownFilters()], own);
});

test('U-22 a WebSocket is a GET of version 13; other protocols have their own rules', () => {
  const broken = (type: string, method: string, fields: string[]) =>
    isBrokenHandshake(type, new RequestHeaders(method, '/', 'h', 'http', fields));
  assert.equal(broken('websocket', 'GET', ['sec-websocket-version', '13']), false);
  assert.equal(broken('WebSocket', 'POST', ['sec-websocket-version', '13']), true);
  assert.equal(broken('websocket', 'GET', ['sec-websocket-version', '7']), true);
  assert.equal(broken('websocket', 'GET', []), true);
  assert.equal(broken('foo', 'POST', []), false);
});
