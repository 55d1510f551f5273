import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection } from '../../test/fakes/connection.ts';
import { fakeRoute, HcmScenario, type ScriptedFilter } from '../../test/fakes/hcm.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus } from '../api/http-filter.ts';

const { StopIteration, StopAllIterationAndBuffer, StopAllIterationAndWatermark } =
  FilterHeadersStatus;
const { StopIterationAndBuffer, StopIterationAndWatermark, StopIterationNoBuffer } =
  FilterDataStatus;
const router = { decodeHeaders: StopIteration, decodeData: StopIterationNoBuffer };

const POST = 'POST / HTTP/1.1\r\nHost: h\r\n';

/** The journal without the calls that a test is not about. */
function calls(scenario: HcmScenario, ...prefixes: string[]): string[] {
  return scenario.journal.filter((line) => prefixes.some((prefix) => line.startsWith(prefix)));
}

function answer(scenario: HcmScenario, status = 200, body = ''): void {
  const { router: callbacks } = scenario;
  callbacks.encodeHeaders(new ResponseHeaders(status, []), body === '', 'via_upstream');
  if (body !== '') callbacks.encodeData(Buffer.from(body), true);
}

test('a request passes decoders in order and the response encoders in reverse', () => {
  const scenario = new HcmScenario({ filters: { a: {}, b: {}, router } });
  scenario.send(`${POST}Content-Length: 3\r\n\r\nabc`);
  answer(scenario, 200, 'xy');
  assert.deepEqual(scenario.journal, [
    'a.decodeHeaders',
    'b.decodeHeaders',
    'router.decodeHeaders',
    'a.decodeData abc end',
    'b.decodeData abc end',
    'router.decodeData abc end',
    'b.encodeHeaders 200',
    'a.encodeHeaders 200',
    'b.encodeData xy end',
    'a.encodeData xy end',
    'a.onDestroy',
    'b.onDestroy',
    'router.onDestroy',
  ]);
});

test('a filter takes part only in the directions it has', () => {
  const scenario = new HcmScenario({
    filters: { d: { halves: 'decoder' }, e: { halves: 'encoder' }, router },
  });
  scenario.get();
  answer(scenario);
  assert.deepEqual(scenario.journal, [
    'd.decodeHeaders end',
    'router.decodeHeaders end',
    'e.encodeHeaders 200 end',
    'd.onDestroy',
    'router.onDestroy',
    'e.onDestroy',
  ]);
});

test('a route may switch a filter off, and a disabled filter on', () => {
  const config = (name: string, disabled: boolean) => ({
    name,
    disabled,
    config: { createFilter: () => assert.fail(`${name} was created`) },
  });
  const scenario = new HcmScenario({
    realFilters: [config('off-by-route', false), config('off-by-config', true)],
    filters: { a: {}, router },
    route: fakeRoute({ isFilterDisabled: (name) => name === 'off-by-route' }),
  });
  scenario.get();
  assert.deepEqual(calls(scenario, 'a.'), ['a.decodeHeaders end']);
  const switchedOn = new HcmScenario({
    realFilters: [config('on', true)],
    route: fakeRoute({ perFilterConfig: (name) => (name === 'on' ? {} : null) }),
  });
  assert.throws(() => switchedOn.get(), /on was created/);
});

test('StopIteration holds the head back but lets the body reach the same filter', () => {
  const scenario = new HcmScenario({
    filters: { a: { decodeHeaders: StopIteration, decodeData: StopIterationAndBuffer }, router },
  });
  scenario.send(`${POST}Content-Length: 4\r\n\r\nab`);
  scenario.send('cd');
  assert.deepEqual(scenario.journal, ['a.decodeHeaders', 'a.decodeData ab', 'a.decodeData cd end']);
  const { decoderCallbacks } = scenario.filters.get('a')!;
  assert.equal(Buffer.concat([...decoderCallbacks.decodingBuffer()]).toString(), 'abcd');
  decoderCallbacks.continueDecoding();
  assert.deepEqual(calls(scenario, 'router.'), [
    'router.decodeHeaders',
    'router.decodeData abcd end',
  ]);
});

test('Continue on body after StopIteration lets head and buffered body go', () => {
  let pieces = 0;
  const scenario = new HcmScenario({
    filters: {
      a: {
        decodeHeaders: StopIteration,
        decodeData: () => (++pieces === 2 ? FilterDataStatus.Continue : StopIterationAndBuffer),
      },
      router,
    },
  });
  scenario.send(`${POST}Content-Length: 6\r\n\r\nab`);
  scenario.send('cd');
  assert.deepEqual(calls(scenario, 'router.'), ['router.decodeHeaders', 'router.decodeData abcd']);
});

test('continueDecoding of a bodyless request passes the end with the head', () => {
  const scenario = new HcmScenario({ filters: { a: { decodeHeaders: StopIteration }, router } });
  scenario.get();
  assert.deepEqual(calls(scenario, 'router.'), []);
  scenario.filters.get('a')!.decoderCallbacks.continueDecoding();
  assert.deepEqual(calls(scenario, 'router.'), ['router.decodeHeaders end']);
  scenario.filters.get('a')!.decoderCallbacks.continueDecoding();
  assert.equal(calls(scenario, 'router.').length, 1);
});

test('StopAllIterationAndBuffer keeps body and trailers from the filter itself until it continues', () => {
  const scenario = new HcmScenario({
    filters: { a: {}, b: { decodeHeaders: StopAllIterationAndBuffer }, router },
  });
  scenario.send(`${POST}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-t: 1\r\n\r\n`);
  assert.deepEqual(scenario.journal, [
    'a.decodeHeaders',
    'b.decodeHeaders',
    'a.decodeData ab',
    'a.decodeTrailers x-t:1',
  ]);
  scenario.filters.get('b')!.decoderCallbacks.continueDecoding();
  assert.deepEqual(scenario.journal.slice(4), [
    'router.decodeHeaders',
    'b.decodeData ab',
    'router.decodeData ab',
    'b.decodeTrailers x-t:1',
    'router.decodeTrailers x-t:1',
  ]);
});

test('a body past the limit at a buffering filter is answered 413', () => {
  for (const script of [
    { decodeHeaders: StopAllIterationAndBuffer },
    { decodeHeaders: StopIteration, decodeData: StopIterationAndBuffer },
  ]) {
    const scenario = new HcmScenario({ filters: { a: script, router }, bufferLimitBytes: 4 });
    scenario.send(`${POST}Content-Length: 9\r\n\r\nabcd`);
    assert.equal(scenario.connection.written, '');
    scenario.send('e');
    assert.match(scenario.connection.written, /^HTTP\/1.1 413 Payload Too Large\r\n/);
    assert.match(scenario.connection.written, /\r\n\r\nPayload Too Large$/);
    assert.equal(scenario.logs[0]?.details, 'request_payload_too_large');
    assert.equal(scenario.stat('http.test.downstream_rq_too_large'), 1);
  }
});

test('a body past the limit at a watermark filter stops the reading until the filter continues', () => {
  for (const script of [
    { decodeHeaders: StopAllIterationAndWatermark },
    { decodeHeaders: StopIteration, decodeData: StopIterationAndWatermark },
  ]) {
    const scenario = new HcmScenario({ filters: { a: script, router }, bufferLimitBytes: 4 });
    scenario.send(`${POST}Content-Length: 9\r\n\r\nabcd`);
    assert.equal(scenario.connection.readDisableCount, 0);
    scenario.send('ef');
    assert.equal(scenario.connection.readDisableCount, 1);
    scenario.filters.get('a')!.decoderCallbacks.continueDecoding();
    assert.equal(scenario.connection.readDisableCount, 0);
    assert.deepEqual(calls(scenario, 'router.'), [
      'router.decodeHeaders',
      'router.decodeData abcdef',
    ]);
    assert.equal(scenario.stat('http.test.downstream_flow_control_paused_reading_total'), 1);
    assert.equal(scenario.stat('http.test.downstream_flow_control_resumed_reading_total'), 1);
  }
});

test('a filter that takes the body leaves an empty end for the next ones', () => {
  const scenario = new HcmScenario({
    filters: { a: { decodeHeaders: StopIteration, decodeData: StopIterationNoBuffer }, router },
  });
  scenario.send(`${POST}Content-Length: 2\r\n\r\nab`);
  scenario.filters.get('a')!.decoderCallbacks.continueDecoding();
  assert.deepEqual(calls(scenario, 'router.'), ['router.decodeHeaders', 'router.decodeData end']);
});

test('a filter may give a bodyless request a body', () => {
  const scenario = new HcmScenario({
    filters: {
      a: {
        decodeHeaders: (filter) => {
          filter.decoderCallbacks.addDecodedData(Buffer.from('new'));
          return FilterHeadersStatus.Continue;
        },
      },
      b: {},
      router,
    },
  });
  scenario.get();
  assert.deepEqual(scenario.journal, [
    'a.decodeHeaders end',
    'b.decodeHeaders',
    'router.decodeHeaders',
    'b.decodeData new end',
    'router.decodeData new end',
  ]);
});

test('StopIteration on trailers waits for continueDecoding', () => {
  const scenario = new HcmScenario({
    filters: {
      a: {
        decodeHeaders: StopIteration,
        decodeData: StopIterationAndBuffer,
        decodeTrailers: FilterTrailersStatus.StopIteration,
      },
      router,
    },
  });
  scenario.send(`${POST}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-t: 1\r\n\r\n`);
  assert.deepEqual(calls(scenario, 'router.'), []);
  scenario.filters.get('a')!.decoderCallbacks.continueDecoding();
  assert.deepEqual(calls(scenario, 'router.'), [
    'router.decodeHeaders',
    'router.decodeData ab',
    'router.decodeTrailers x-t:1',
  ]);
});

test('Continue on trailers lets go what was held back', () => {
  const scenario = new HcmScenario({
    filters: { a: { decodeHeaders: StopIteration, decodeData: StopIterationAndBuffer }, router },
  });
  scenario.send(`${POST}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-t: 1\r\n\r\n`);
  assert.deepEqual(calls(scenario, 'router.'), [
    'router.decodeHeaders',
    'router.decodeData ab',
    'router.decodeTrailers x-t:1',
  ]);
});

test('an encoder filter holds the response back and lets it go', () => {
  const scenario = new HcmScenario({
    filters: {
      a: { encodeHeaders: StopIteration, encodeData: StopIterationAndBuffer },
      b: {},
      router,
    },
  });
  scenario.get();
  answer(scenario, 200, 'body');
  assert.equal(scenario.connection.written, '');
  const { encoderCallbacks } = scenario.filters.get('a')!;
  assert.equal(Buffer.concat([...encoderCallbacks.encodingBuffer()]).toString(), 'body');
  encoderCallbacks.continueEncoding();
  assert.match(scenario.connection.written, /^HTTP\/1.1 200 OK\r\n/);
  assert.match(scenario.connection.written, /body/);
  assert.equal(scenario.logs.length, 1);
});

test('StopAllIteration on a response buffers until continueEncoding, then the filter sees the body', () => {
  const scenario = new HcmScenario({
    filters: { a: { encodeHeaders: StopAllIterationAndBuffer }, router },
  });
  scenario.get();
  answer(scenario, 200, 'body');
  assert.deepEqual(calls(scenario, 'a.encode'), ['a.encodeHeaders 200']);
  scenario.filters.get('a')!.encoderCallbacks.continueEncoding();
  assert.deepEqual(calls(scenario, 'a.encode'), ['a.encodeHeaders 200', 'a.encodeData body end']);
  assert.match(scenario.connection.written, /body/);
});

test('a response past the limit at a buffering filter becomes a 500', () => {
  const scenario = new HcmScenario({
    filters: { a: { encodeHeaders: StopIteration, encodeData: StopIterationAndBuffer }, router },
    bufferLimitBytes: 4,
  });
  scenario.get();
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), false, 'via_upstream');
  scenario.router.encodeData(Buffer.from('abcde'), false);
  assert.match(scenario.connection.written, /^HTTP\/1.1 500 Internal Server Error\r\n/);
  assert.equal(scenario.logs[0]?.details, 'response_payload_too_large');
  assert.equal(scenario.stat('http.test.rs_too_large'), 1);
});

test('a response past the limit at a watermark filter pauses the upstream', () => {
  const events: string[] = [];
  const scenario = new HcmScenario({
    filters: { a: { encodeHeaders: StopAllIterationAndWatermark }, router },
    bufferLimitBytes: 4,
  });
  scenario.get();
  scenario.router.addDownstreamWatermarkCallbacks({
    onAboveWriteBufferHighWatermark: () => events.push('above'),
    onBelowWriteBufferLowWatermark: () => events.push('below'),
  });
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), false, 'via_upstream');
  scenario.router.encodeData(Buffer.from('abcde'), false);
  assert.deepEqual(events, ['above']);
  scenario.filters.get('a')!.encoderCallbacks.continueEncoding();
  assert.deepEqual(events, ['above', 'below']);
});

test('an encoder filter may give a bodyless response a body', () => {
  const scenario = new HcmScenario({
    filters: {
      a: {},
      b: {
        encodeHeaders: (filter) => {
          filter.encoderCallbacks.addEncodedData(Buffer.from('new'));
          return FilterHeadersStatus.Continue;
        },
      },
      router,
    },
  });
  scenario.get();
  answer(scenario);
  assert.deepEqual(calls(scenario, 'a.encode', 'b.encode'), [
    'b.encodeHeaders 200 end',
    'a.encodeHeaders 200',
    'a.encodeData new end',
  ]);
  assert.match(scenario.connection.written, /new/);
});

test('response trailers pass the encoders and end the response', () => {
  const scenario = new HcmScenario({ filters: { a: {}, router } });
  scenario.get();
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), false, 'via_upstream');
  scenario.router.encodeData(Buffer.from('ab'), false);
  scenario.router.encodeTrailers(['x-t', '1']);
  assert.deepEqual(calls(scenario, 'a.encode'), [
    'a.encodeHeaders 200',
    'a.encodeData ab',
    'a.encodeTrailers x-t:1',
  ]);
  assert.equal(scenario.logs.length, 1);
});

test('a local reply from a decoder skips later decoders and passes all encoders', () => {
  const scenario = new HcmScenario({
    filters: {
      a: {},
      b: {
        decodeHeaders: (filter) => {
          filter.decoderCallbacks.sendLocalReply(403, 'no', null, 'because');
          return StopIteration;
        },
      },
      router,
    },
  });
  scenario.get();
  assert.deepEqual(calls(scenario, 'a.', 'b.', 'router.'), [
    'a.decodeHeaders end',
    'b.decodeHeaders end',
    'b.encodeHeaders 403',
    'a.encodeHeaders 403',
    'b.encodeData no end',
    'a.encodeData no end',
    'a.onDestroy',
    'b.onDestroy',
    'router.onDestroy',
  ]);
  assert.equal(scenario.logs[0]?.details, 'because');
  assert.equal(scenario.logs[0]?.localReplyBody, 'no');
});

test('a filter that says Continue after a local reply does not pass the request on', () => {
  const scenario = new HcmScenario({
    filters: {
      a: {
        decodeHeaders: (filter) => {
          filter.decoderCallbacks.sendLocalReply(403, '', null, 'because');
          return FilterHeadersStatus.Continue;
        },
      },
      router,
    },
  });
  scenario.get();
  assert.deepEqual(calls(scenario, 'router.decode'), []);
});

test('a local reply from decodeData drops the rest of the request and ends the connection', () => {
  const scenario = new HcmScenario({
    filters: {
      a: {
        decodeData: (filter) => {
          filter.decoderCallbacks.sendLocalReply(429, 'slow down', null, 'because');
          return StopIterationNoBuffer;
        },
      },
      router,
    },
  });
  scenario.send(`${POST}Content-Length: 9\r\n\r\nabc`);
  assert.match(scenario.connection.written, /^HTTP\/1.1 429 .*\r\nconnection: close\r\n/s);
  assert.equal(scenario.stat('http.test.downstream_rq_response_before_rq_complete'), 1);
});

test('a local reply after the response began in the chain replaces it past the filters', () => {
  const scenario = new HcmScenario({
    filters: { a: { encodeHeaders: StopIteration }, router },
  });
  scenario.get();
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), false, 'via_upstream');
  scenario.filters.get('a')!.encoderCallbacks.sendLocalReply(502, 'bad', null, 'because');
  assert.match(scenario.connection.written, /^HTTP\/1.1 502 Bad Gateway\r\n/);
  assert.deepEqual(calls(scenario, 'a.encode'), ['a.encodeHeaders 200']);
});

test('a local reply from inside encodeHeaders replaces the response', () => {
  const scenario = new HcmScenario({
    filters: {
      a: {
        encodeHeaders: (filter) => {
          filter.encoderCallbacks.sendLocalReply(500, 'x', null, 'because');
          return StopIteration;
        },
      },
      router,
    },
  });
  scenario.get();
  answer(scenario, 200, 'body');
  assert.match(scenario.connection.written, /^HTTP\/1.1 500 /);
  assert.doesNotMatch(scenario.connection.written, /body/);
  assert.equal(scenario.logs.length, 1);
});

test('a local reply after the head was sent resets the stream', () => {
  const scenario = new HcmScenario();
  scenario.get();
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), false, 'via_upstream');
  scenario.router.sendLocalReply(504, 'late', null, 'because');
  assert.doesNotMatch(scenario.connection.written, /504|late/);
  assert.equal(scenario.connection.isOpen(), false);
  assert.equal(scenario.stat('http.test.downstream_rq_tx_reset'), 1);
  assert.equal(scenario.logs[0]?.code, 200);
  assert.equal(scenario.logs[0]?.details, 'because');
});

test('an answer of the router after a local reply is ignored', () => {
  const scenario = new HcmScenario({
    filters: { a: { encodeHeaders: StopIteration, encodeData: StopIterationAndBuffer }, router },
  });
  scenario.get();
  scenario.router.sendLocalReply(504, 'late', null, 'because');
  answer(scenario, 200, 'body');
  scenario.filters.get('a')!.encoderCallbacks.continueEncoding();
  assert.match(scenario.connection.written, /^HTTP\/1.1 504 .*\r\n\r\nlate$/s);
});

test('resetStream from a filter closes the connection without an answer', () => {
  const scenario = new HcmScenario();
  scenario.get();
  scenario.router.resetStream();
  assert.equal(scenario.connection.written, '');
  assert.equal(scenario.connection.isOpen(), false);
  assert.deepEqual(calls(scenario, 'router.onDestroy'), ['router.onDestroy']);
});

test('the client that stops reading pauses the upstream, counted, also for late subscribers', () => {
  const events: string[] = [];
  const connection = new FakeConnection();
  const scenario = new HcmScenario({ connection });
  const callbacks = {
    onAboveWriteBufferHighWatermark: () => events.push('above'),
    onBelowWriteBufferLowWatermark: () => events.push('below'),
  };
  connection.fillWriteBuffer();
  scenario.get();
  scenario.router.addDownstreamWatermarkCallbacks(callbacks);
  assert.deepEqual(events, ['above']);
  connection.drainWriteBuffer();
  assert.deepEqual(events, ['above', 'below']);
  connection.fillWriteBuffer();
  assert.deepEqual(events, ['above', 'below', 'above']);
});

test('an upstream that stops reading stops the reading of the client', () => {
  const scenario = new HcmScenario();
  scenario.send(`${POST}Content-Length: 9\r\n\r\nabc`);
  scenario.router.onDecoderFilterAboveWriteBufferHighWatermark();
  assert.equal(scenario.connection.readDisableCount, 1);
  scenario.router.onDecoderFilterBelowWriteBufferLowWatermark();
  assert.equal(scenario.connection.readDisableCount, 0);
});

test('every filter hears of the end once, also when the client goes away', () => {
  const scenario = new HcmScenario({ filters: { a: { decodeHeaders: StopIteration }, router } });
  scenario.get();
  scenario.connection.remoteClose();
  scenario.filters.get('a')!.decoderCallbacks.continueDecoding();
  scenario.filters.get('a')!.decoderCallbacks.sendLocalReply(500, '', null, '');
  assert.deepEqual(scenario.journal, ['a.decodeHeaders end', 'a.onDestroy', 'router.onDestroy']);
});

test('route and per-route config are looked up by configured name and cached until cleared', () => {
  const scenario = new HcmScenario({
    filters: { a: {}, router },
    route: fakeRoute({
      perFilterConfig: (name) => `config of ${name}`,
      allPerFilterConfigs: (name) => [`all of ${name}`],
    }),
  });
  scenario.get();
  const { decoderCallbacks } = scenario.filters.get('a')!;
  assert.equal(decoderCallbacks.routeSpecificConfig(), 'config of a');
  assert.deepEqual(decoderCallbacks.allRouteSpecificConfigs(), ['all of a']);
  assert.equal(scenario.routeMatches, 1);
  decoderCallbacks.clearRouteCache();
  assert.equal(decoderCallbacks.route()?.name, 'r');
  assert.equal(decoderCallbacks.route()?.name, 'r');
  assert.equal(scenario.routeMatches, 2);
});

test('what a filter puts in place of a piece goes on instead of it, both ways', () => {
  const shout = (
    filter: ScriptedFilter,
    replace: 'replaceDecodedData' | 'replaceEncodedData',
  ): FilterDataStatus => {
    if (replace === 'replaceDecodedData') filter.decoderCallbacks[replace](Buffer.from('REQUEST'));
    else filter.encoderCallbacks[replace](Buffer.from('RESPONSE'));
    return FilterDataStatus.Continue;
  };
  const scenario = new HcmScenario({
    filters: {
      before: {},
      shout: {
        decodeHeaders: StopIteration,
        encodeHeaders: StopIteration,
        decodeData: (filter) => shout(filter, 'replaceDecodedData'),
        encodeData: (filter) => shout(filter, 'replaceEncodedData'),
      },
      after: {},
      router,
    },
  });
  scenario.send(`${POST}Content-Length: 3\r\n\r\nabc`);
  answer(scenario, 200, 'xy');
  assert.deepEqual(calls(scenario, 'before', 'after', 'shout.decodeData', 'shout.encodeData'), [
    'before.decodeHeaders',
    'before.decodeData abc end',
    'shout.decodeData abc end',
    'after.decodeHeaders',
    'after.decodeData REQUEST end',
    'after.encodeHeaders 200',
    'after.encodeData xy end',
    'shout.encodeData xy end',
    'before.encodeHeaders 200',
    'before.encodeData RESPONSE end',
    'before.onDestroy',
    'after.onDestroy',
  ]);
  assert.match(scenario.connection.written, /RESPONSE/);
});
