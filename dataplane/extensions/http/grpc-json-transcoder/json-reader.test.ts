// What Envoy 1.40 made of the same texts: the bytes that its upstream got, or the body of its 400.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { labData } from '../../../../test/fakes/transcoding/lab.ts';
import { FieldBindings } from './field-bindings.ts';
import { JsonReader } from './json-reader.ts';
import { Schema } from './schema.ts';

const data = labData();
const schema = new Schema(data.messages, data.enums, false);
const all = schema.byName('lab.All')!;
const shelfRequest = schema.byName('lab.ShelfRequest')!;

function read(text: string, reader = new JsonReader(schema, false, false)): string {
  const frame = reader.read(all, Buffer.from(text), [], null);
  return frame === null ? reader.error : frame.subarray(5).toString('hex');
}

const good: readonly (readonly [string, string])[] = [
  ['', ''],
  [' \t\r\n{ "fInt32" : 1 } \n', '1801'],
  ['{"f_int32":1}', '1801'],
  ['{"fInt32":"1"}', '1801'],
  ['{"fInt32":1.0}', '1801'],
  ['{"fInt32":1e2}', '1864'],
  ['{"fInt32":null}', ''],
  ['{"fInt64":9223372036854775807}', '20ffffffffffffffff7f'],
  ['{"fInt64":"-9223372036854775808"}', '2080808080808080808001'],
  ['{"fUint64":18446744073709551615}', '30ffffffffffffffffff01'],
  ['{"fSint32":-5}', '3809'],
  ['{"fBool":"1"}', '6801'],
  ['{"fString":"\\u00e9\\ud83d\\ude00"}', '7206c3a9f09f9880'],
  ['{"fBytes":"-_8"}', '7a02fbff'],
  ['{"fBytes":"+/8="}', '7a02fbff'],
  ['{"fEnum":"RED"}', '800101'],
  ['{"fEnum":99}', '800163'],
  ['{"fEnum":-1}', '8001ffffffffffffffffff01'],
  ['{"fDouble":"-Infinity"}', '09000000000000f0ff'],
  ['{"fFloat":3.4028235e38}', '15ffff7f7f'],
  ['{"nope":{"a":[1,{}]},"fInt32":1}', '1801'],
  ['{"fMessage":{"name":"a","inner":{"id":5}}}', '8a01070a01611a021005'],
  ['{"rInt32":[1,null,2]}', 'a80101a80102'],
  ['{"rInt32":5}', 'a80105'],
  ['{"rMessage":[{"id":1},null,{}]}', 'ba01021001ba0100'],
  ['{"mString":{"a":null}}', 'fa01030a0161'],
  ['{"mEnum":{"true":"RED","false":1}}', '8a0204080110018a020408001001'],
  ['{"cNull":null}', 'e00200'],
  ['{"oInt32":0}', '980300'],
  ['{"otherName":"a"}', 'aa030161'],
  ['{"renamed":"a"}', 'aa030161'],
  ['{"fInt32":1,"fInt32":2}', '18011802'],
  ['{"wTimestamp":"2024-01-02T03:04:05+01:00"}', 'ea03080895decdac061000'],
  ['{"wTimestamp":{"seconds":1}}', 'ea03020801'],
  ['{"wDuration":"-0.000000001s"}', 'f2030d080010ffffffffffffffffff01'],
  ['{"wMask":"a,bC.dE"}', 'fa030c0a01610a07625f632e645f65'],
  [
    '{"wValue":[1,{"a":2}]}',
    '8a0421321f0a0911000000000000f03f0a122a100a0e0a01611209110000000000000040',
  ],
  ['{"wValue":null}', '8a04020800'],
  ['{"wBool":{"value":true}}', '9a04020801'],
  ['{"wAny":{}}', 'e20400'],
  [
    '{"wAny":{"name":"x","@type":"type.googleapis.com/lab.Inner"}}',
    'e204240a1d747970652e676f6f676c65617069732e636f6d2f6c61622e496e6e657212030a0178',
  ],
];

const bad: readonly (readonly [string, string])[] = [
  ['{"fInt32":1.5}', 'f_int32: invalid value 1.5 for type TYPE_INT32'],
  ['{"fInt32":"1.0"}', 'f_int32: invalid value "1.0" for type TYPE_INT32'],
  ['{"fInt32":" 1"}', 'f_int32: invalid value " 1" for type TYPE_INT32'],
  ['{"fInt32":2147483648}', 'f_int32: invalid value 2147483648 for type TYPE_INT32'],
  ['{"fInt32":[1]}', ': Proto field is not repeating, cannot start list.'],
  ['{"fInt32":{}}', ': invalid value Starting an object on a scalar field for type f_int32'],
  [
    '{"fInt64":9223372036854775808}',
    'f_int64: invalid value 9223372036854775808 for type TYPE_INT64',
  ],
  ['{"fUint32":-1}', 'f_uint32: invalid value -1 for type TYPE_UINT32'],
  ['{"fBool":1}', 'f_bool: invalid value 1 for type TYPE_BOOL'],
  ['{"fString":5}', 'f_string: invalid value 5 for type TYPE_STRING'],
  ['{"fBytes":"!!"}', 'f_bytes: invalid value "!!" for type TYPE_BYTES'],
  ['{"fBytes":"AQ="}', 'f_bytes: invalid value "AQ=" for type TYPE_BYTES'],
  ['{"fEnum":"red"}', 'f_enum: invalid value "red" for type type.googleapis.com/lab.Color'],
  ['{"fMessage":5}', 'f_message: invalid value 5 for type type.googleapis.com/lab.Inner'],
  [
    '{"fMessage":{"inner":{"id":"x"}}}',
    'f_message.inner.id: invalid value "x" for type TYPE_INT64',
  ],
  ['{"rMessage":[{},{"id":"x"}]}', 'r_message[1].id: invalid value "x" for type TYPE_INT64'],
  ['{"mMessage":{"x":{}}}', 'm_message[0].key: invalid value "x" for type TYPE_INT32'],
  ['{"mMessage":{"1":{"id":"x"}}}', 'm_message[0].value.id: invalid value "x" for type TYPE_INT64'],
  ['{"mString":[]}', ": invalid value Cannot bind a list to map for field 'mString'. for type Map"],
  [
    '{"cString":"a","cInt32":1}',
    ": invalid value oneof field 'choice' is already set. Cannot set 'cInt32' for type oneof",
  ],
  ['[]', ': Root element must be a message.'],
  ['null', ': Root element must be a message.'],
  ['   ', 'Unexpected end of string. Expected a value.\n\n^'],
  ['{', 'Unexpected end of string. Expected an object key or }.\n\n^'],
  ['{]', 'Expected an object key or }.\n{]\n ^'],
  ['{"fInt32":1}x', 'Parsing terminated before end of input.\n{"fInt32":1}x\n            ^'],
  ['{"fInt32" 1}', 'Expected : between key:value pair.\n{"fInt32" 1}\n          ^'],
  ['{"fInt32":01}', 'Octal/hex numbers are not valid JSON values.\n{"fInt32":01}\n          ^'],
  ['{"a":tru}', 'Unexpected token.\ntru}\n^'],
  ['{"fDouble":1e400}', 'Number exceeds the range of double.\n{"fDouble":1e400}\n           ^'],
  [
    '{"wDuration":"400000000000s"}',
    "w_duration: invalid value Field 'wDuration', Duration value exceeds limits for type type.googleapis.com/google.protobuf.Duration",
  ],
  [
    '{"wAny":{"@type":"type.googleapis.com/nope.N"}}',
    'w_any: invalid value Invalid type URL, unknown type: nope.N for type Any',
  ],
];

describe('JSON to protobuf', () => {
  for (const [text, bytes] of good) it(`reads ${text}`, () => assert.equal(read(text), bytes));
  for (const [text, error] of bad) it(`refuses ${text}`, () => assert.equal(read(text), error));

  it('refuses what JSON is not, where Envoy takes it', () => {
    for (const text of ['{"fInt32":1,}', '{fInt32:1}', "{'fInt32':1}", '{"fString":"\n"}']) {
      assert.match(read(text), /^(Expected an object key|Control characters)/, text);
    }
  });

  it('knows no names but the fields', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      assert.equal(read(`{"${name}":{"polluted":1},"fInt32":1}`), '1801');
      assert.match(read(`{"mString":{"${name}":"c"}}`), /^fa01/);
      assert.match(read(`{"wStruct":{"${name}":{"z":1}}}`), /^8204/);
    }
    assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  });

  it('goes 100 arrays and objects deep and no deeper', () => {
    const nested = (count: number): string =>
      `{"fMessage":${'{"inner":'.repeat(count)}{}${'}'.repeat(count)}}`;
    assert.match(read(nested(98)), /^8a01/);
    const tooDeep = 'Message too deep. Max recursion depth reached for key';
    assert.equal(read(nested(99)), `${tooDeep} 'inner'`);
    const list = (count: number): string => `{"x":${'['.repeat(count)}${']'.repeat(count)}}`;
    assert.equal(read(list(99)), '');
    assert.equal(read(list(100)), 'Message too deep. Max recursion depth reached in array');
    assert.match(read(list(100_000)), /too deep/);
    const any = '{"@type":"type.googleapis.com/google.protobuf.Any","value":';
    assert.match(read(`{"wAny":${any.repeat(200)}{}${'}'.repeat(200)}}`), /too deep/);
  });

  it('reads 16 Anys in each other and no more', () => {
    const nested = (count: number): string => {
      let any = '{"@type":"type.googleapis.com/lab.Inner"}';
      for (let i = 1; i < count; i++) {
        any = `{"value":${any},"@type":"type.googleapis.com/google.protobuf.Any"}`;
      }
      return `{"wAny":${any},"rwAny":[{},${any}]}`;
    };
    assert.match(read(nested(16)), /^e204/);
    assert.match(read(nested(17)), /^Message too deep/);
  });

  it('takes enum names in any case where that is asked for', () => {
    const lenient = new JsonReader(schema, true, false);
    assert.equal(read('{"fEnum":"red"}', lenient), '800101');
    assert.equal(read('{"fEnum":"color-unspecified"}', lenient), '800100');
  });

  it('does not wait for numbers of a million digits', () => {
    const digits = '9'.repeat(1_000_000);
    assert.match(read(`{"fInt64":"${digits}"}`), /^f_int64: invalid value/);
    assert.match(read(`{"fInt64":${digits}}`), /^Number exceeds/);
  });
});

describe('fields of path and query in a body', () => {
  const field = (name: string) => shelfRequest.byName.get(name)!;
  const inner = schema.byName('lab.Inner')!;

  function weave(text: string, bound: (bindings: FieldBindings) => void, reject = false): string {
    const reader = new JsonReader(schema, false, reject);
    const bindings = new FieldBindings();
    bound(bindings);
    const frame = reader.read(shelfRequest, Buffer.from(text), [], bindings);
    return frame === null ? reader.error : frame.subarray(5).toString('hex');
  }

  it('go behind the fields of the body, into its messages', () => {
    const bound = (bindings: FieldBindings): void => {
      bindings.add([field('shelf')], '3');
      bindings.add([field('inner'), inner.byName.get('name')!], 'q');
    };
    assert.equal(weave('{"inner":{"id":1}}', bound), '320510010a01710803');
    assert.equal(weave('{"inner":null}', bound), '080332030a0171');
  });

  it('give way to the body, but for lists, which grow', () => {
    const bound = (bindings: FieldBindings): void => {
      bindings.add([field('tags')], 'q');
      bindings.add([field('filter')], 'g');
      bindings.add([field('shelf')], '3');
    };
    assert.equal(weave('{"tags":["x"],"filter":"f"}', bound), '2201781a01662201710803');
  });

  it('may be held against the body', () => {
    const bound = (bindings: FieldBindings): void => bindings.add([field('shelf')], '3');
    assert.equal(weave('{"shelf":"3"}', bound, true), '0803');
    assert.equal(
      weave('{"shelf":4}', bound, true),
      'The binding value "3" of the field shelf is conflicting with the value 4 in the body.',
    );
  });

  it('are judged like what stands in a body', () => {
    assert.equal(
      weave('{}', (bindings) => bindings.add([field('shelf')], 'abc')),
      'shelf: invalid value "abc" for type TYPE_INT64',
    );
    assert.equal(
      weave('{}', (bindings) => bindings.add([field('inner')], '1')),
      'inner: invalid value "1" for type type.googleapis.com/lab.Inner',
    );
    assert.equal(
      weave('{}', (bindings) => bindings.add([field('note')], 'hello')),
      '52070a0568656c6c6f',
    );
  });

  it('cost no more than their number, however many the body sets', () => {
    const body = `{${'"shelf":1,'.repeat(50_000)}"shelf":1}`;
    const started = process.cpuUsage().user;
    weave(body, (bindings) => {
      for (let i = 0; i < 20_000; i++) bindings.add([field('tags')], 'a');
    });
    // A product of the two numbers would take minutes.
    assert.ok(process.cpuUsage().user - started < 10_000_000);
  });
});
