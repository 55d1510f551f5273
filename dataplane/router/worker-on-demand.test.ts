import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adsSource } from '../api/config/config-source.ts';
import { type OnDemandWaiter, onDemandKey } from '../api/on-demand.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import { WorkerOnDemand } from './worker-on-demand.ts';

const target = (name: string): ResourceReference => {
  return { kind: 'cluster', name, source: adsSource };
};

function setUp() {
  const asked: string[] = [];
  const heard: string[] = [];
  const waiter = (name: string): OnDemandWaiter => {
    return { onDemandAnswer: (outcome) => heard.push(`${name} ${outcome}`) };
  };
  const subject = new WorkerOnDemand(({ name }) => asked.push(name));
  const answer = (name: string) => subject.answer(onDemandKey(target(name)), 'found');
  return { subject, asked, heard, waiter, answer };
}

test('main is asked once for what several wait for, and all of them hear the answer', () => {
  const { subject, asked, heard, waiter, answer } = setUp();
  for (const name of ['1', '2']) subject.ask(target('a'), waiter(name));
  subject.ask(target('b'), waiter('3'));
  answer('a');
  answer('a');
  assert.deepEqual(asked, ['a', 'b']);
  assert.deepEqual(heard, ['1 found', '2 found']);
});

test('who went hears nothing, also when another one ends it; the next asks again', () => {
  const { subject, asked, heard, waiter, answer } = setUp();
  const gone = waiter('gone');
  subject.ask(target('a'), { onDemandAnswer: () => subject.cancel(gone) });
  subject.ask(target('a'), gone);
  answer('a');
  subject.ask(target('a'), gone);
  subject.cancel(gone);
  subject.cancel(gone);
  answer('a');
  subject.ask(target('a'), waiter('next'));
  assert.deepEqual(asked, ['a', 'a', 'a']);
  assert.deepEqual(heard, []);
});

test('a waiter may ask for the next thing from within its answer', () => {
  const { subject, heard, waiter, answer } = setUp();
  const last = waiter('last');
  const first: OnDemandWaiter = {
    onDemandAnswer: () => subject.ask(target('a'), last),
  };
  subject.ask(target('a'), first);
  answer('a');
  assert.deepEqual(heard, []);
  answer('a');
  assert.deepEqual(heard, ['last found']);
});

test('a waiter that throws does not leave the others waiting', () => {
  const { subject, heard, waiter, answer } = setUp();
  subject.ask(target('a'), {
    onDemandAnswer: () => {
      throw new Error('a bug');
    },
  });
  subject.ask(target('a'), waiter('other'));
  assert.throws(() => answer('a'), /a bug/);
  assert.deepEqual(heard, ['other found']);
});
