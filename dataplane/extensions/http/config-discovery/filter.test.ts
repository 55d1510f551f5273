import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeFilterContext, HcmScenario } from '../../../../test/fakes/hcm.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import type { ExtensionData, HttpFilterContext } from '../../../api/factory.ts';
import { FilterHeadersStatus } from '../../../api/http-filter.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { HolderStore } from '../../../stats/store.ts';
import { PassThroughDecoderFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import { configDiscovery } from './filter.ts';

type OnUpdate = (config: ExtensionData | null) => void;

const answering = (status: number): ExtensionData => ({
  name: 'one',
  extension: 'answering',
  data: status,
});

/** Answers every request with the status that its config says. */
class AnsweringFilter extends PassThroughDecoderFilter {
  readonly #status: number;

  constructor(status: number) {
    super();
    this.#status = status;
  }

  override decodeHeaders(): FilterHeadersStatus {
    this.decoderCallbacks!.sendLocalReply(this.#status, '', null, 'answered');
    return FilterHeadersStatus.StopIteration;
  }
}

/** A chain with one discovered filter, and the worker around it. */
function setUp(fallback: ExtensionData | null, held: ExtensionData | null = null) {
  const store = new HolderStore();
  const timers = new FakeTimers();
  const users = new Set<OnUpdate>();
  const disposed: unknown[] = [];
  const context = fakeFilterContext({ store, timers });
  const worker = Object.assign(context.worker, {
    subscribeExtensionConfig: (_id: string, onUpdate: OnUpdate) => {
      users.add(onUpdate);
      return held;
    },
    unsubscribeExtensionConfig: (_id: string, onUpdate: OnUpdate) => users.delete(onUpdate),
    createHttpFilter: ({ data }: ExtensionData, _context: HttpFilterContext) => ({
      // The scenario's own data.
      createFilter: () => ({ decoder: new AnsweringFilter(data as number), encoder: null }),
      dispose: () => disposed.push(data),
    }),
  });
  const config = configDiscovery.create({ id: 'one', default: fallback }, { ...context, worker });
  const subject = new HcmScenario({
    store,
    timers,
    realFilters: [{ name: 'one', disabled: false, config }],
  });
  const update: OnUpdate = (update) => {
    for (const onUpdate of users) onUpdate(update);
  };
  const status = (): number | undefined => {
    subject.get();
    return subject.logs.at(-1)?.code;
  };
  return { subject, config, update, users, disposed, status };
}

test('without a config a request is answered with 500 and flag NFCF', () => {
  const { subject, status } = setUp(null);
  assert.equal(status(), 500);
  assert.equal(subject.logs[0]?.flags, ResponseFlag.NoFilterConfigFound);
});

test('what comes is in force for the next request, and what goes leaves the default', () => {
  const { status, update } = setUp(answering(420));
  assert.equal(status(), 420);
  update(answering(418));
  assert.equal(status(), 418);
  update(answering(419));
  assert.equal(status(), 419);
  update(null);
  assert.equal(status(), 420);
});

test('a config that came before the listener is in force from its first request on', () => {
  const { status } = setUp(answering(420), answering(421));
  assert.equal(status(), 421);
});

test('replaced configs are kept for the streams that use them, eight at most; all go with the chain', () => {
  const { config, update, users, disposed } = setUp(null);
  for (let status = 400; status < 410; status++) update(answering(status));
  assert.deepEqual(disposed, [400]);
  config.dispose?.();
  assert.deepEqual(
    disposed,
    Array.from({ length: 10 }, (_, i) => 400 + i),
  );
  assert.equal(users.size, 0);
});
