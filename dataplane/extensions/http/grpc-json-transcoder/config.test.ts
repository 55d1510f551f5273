import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { FileProto, MessageProto } from '../../../../proto/descriptor-set.ts';
import { httpFilterErrors } from '../../../../test/fakes/config.ts';
import {
  labData,
  labDescriptorPath,
  TRANSCODER_TYPE as TYPE,
} from '../../../../test/fakes/transcoding/lab.ts';
import { RuleTable } from './config/compile-rules.ts';
import { TypeTable } from './config/compile-types.ts';
import { FieldKind } from './data.ts';

const set = `proto_descriptor_bin: "${readFileSync(labDescriptorPath).toString('base64')}"`;

describe('the config half of envoy.filters.http.grpc_json_transcoder', () => {
  it('compiles methods and their rules', () => {
    const data = labData();
    const bindings = data.bindings.filter(
      ({ method }) => data.methods[method]?.path === '/lab.Lab/GetShelf',
    );
    assert.deepEqual(
      bindings.map(({ httpMethod, segments }) => [httpMethod, ...segments]),
      [
        ['GET', 'shelves', '*'],
        ['GET', 'v2', 'things', '*'],
        ['REPORT', 'shelves', '*'],
      ],
    );
    assert.deepEqual(bindings[1]?.variables, [{ fieldPath: ['inner', 'name'], start: 1, end: 3 }]);
    const download = data.bindings.find(({ segments }) => segments[0] === 'downloadfield');
    assert.deepEqual(download?.httpBodyResponsePath, [2]);
    const upload = data.bindings.find(({ segments }) => segments[0] === 'upload');
    assert.deepEqual([upload?.bodyPath, upload?.isHttpBodyRequest], [['body'], true]);
  });

  it('maps methods without a rule only where that is asked for', () => {
    const paths = (fields: string): boolean =>
      labData(fields).bindings.some(({ segments }) => segments.join('/') === 'lab.Lab/Auto');
    assert.equal(paths(''), false);
    assert.equal(paths('auto_mapping: true'), true);
  });

  it('compiles all types, since an Any may hold each', () => {
    const { messages } = labData();
    const all = messages.find(({ name }) => name === 'lab.All');
    const field = (name: string) => all?.fields.find((item) => item.name === name);
    assert.deepEqual(
      [field('renamed')?.jsonName, field('o_int32')?.hasPresence, field('o_int32')?.oneof],
      ['otherName', true, ''],
    );
    assert.deepEqual([field('c_int32')?.oneof, field('f_int32')?.hasPresence], ['choice', false]);
    const entry = messages[field('m_string')?.type ?? -1];
    assert.deepEqual([entry?.name, entry?.isMapEntry], ['lab.All.MStringEntry', true]);
  });

  it('knows google.rpc.Status without the set, where statuses are converted', () => {
    const data = labData('convert_grpc_status: true');
    assert.equal(data.messages[data.statusType]?.name, 'google.rpc.Status');
    assert.equal(labData().statusType, -1);
  });

  it('shares the types of one set between all that name it', () => {
    const { messages } = labData();
    assert.equal(labData('auto_mapping: true').messages, messages);
    assert.notEqual(labData('convert_grpc_status: true').messages, messages);
  });

  it('reads no descriptors for a filter that is off', () => {
    assert.deepEqual(httpFilterErrors(TYPE, 'proto_descriptor: nowhere.pb'), []);
  });

  it('takes the set from a file', () => {
    assert.deepEqual(httpFilterErrors(TYPE, 'proto_descriptor: nowhere.pb, services: [a.B]'), [
      "proto_descriptor: cannot read 'nowhere.pb': no such file",
    ]);
  });

  it('refuses bytes that are no set, and services that are not in it', () => {
    assert.match(
      httpFilterErrors(TYPE, 'proto_descriptor_bin: bm9uc2Vuc2U=, services: [a.B]')[0] ?? '',
      /^proto_descriptor_bin: Unable to parse proto descriptor: /,
    );
    assert.deepEqual(httpFilterErrors(TYPE, `${set}, services: [lab.Lab, lab.Nope]`), [
      "services[1]: Could not find 'lab.Nope' in the proto descriptor",
    ]);
  });

  it('refuses a rule that is there twice: neither would ever be reached', () => {
    const errors = httpFilterErrors(TYPE, `${set}, services: [lab.Lab, lab.Lab]`);
    assert.equal(
      errors[0],
      "services[1]: Cannot register 'lab.Lab.Echo': POST /echo belongs to /lab.Lab/Echo already",
    );
  });

  it('wants a descriptor and sizes above 0', () => {
    assert.match(
      httpFilterErrors(TYPE, 'services: [a.B]')[0] ?? '',
      /descriptor_set|proto_descriptor/,
    );
    assert.match(
      httpFilterErrors(TYPE, `${set}, services: [lab.Lab], max_request_body_size: 0`)[0] ?? '',
      /^max_request_body_size/,
    );
  });
});

/** A service of one method over these two messages. */
function errorsOf(http: object, input: MessageProto = {}, output: MessageProto = {}): string[] {
  const file: FileProto = {
    syntax: 'proto3',
    package: 'p',
    message_type: [
      { name: 'In', ...input },
      { name: 'Out', ...output },
    ],
    service: [
      {
        name: 'S',
        method: [{ name: 'M', input_type: '.p.In', output_type: '.p.Out', options: { http } }],
      },
    ],
  };
  const rules = new RuleTable([file], new TypeTable([file]));
  rules.addService('p.S', false);
  return rules.errors;
}

describe('rules that cannot work', () => {
  const name = { name: 'name', number: 1, type: FieldKind.String };

  it('name the method and what is wrong', () => {
    const start = "Cannot register 'p.S.M': ";
    assert.deepEqual(errorsOf({ get: 'a' }), [`${start}'a' is no path template`]);
    assert.deepEqual(errorsOf({ get: '/{nope}' }), [
      `${start}Could not find field "nope" in the type "p.In".`,
    ]);
    assert.deepEqual(errorsOf({ get: '/{name.x}' }, { field: [name] }), [
      `${start}'name.x' goes on below a field that is no message`,
    ]);
    assert.deepEqual(errorsOf({ post: '/a', body: 'nope' }), [
      `${start}Could not find field "nope" in the type "p.In".`,
    ]);
    assert.deepEqual(errorsOf({ get: '/a', response_body: 'name' }, {}, { field: [name] }), [
      `${start}Setting "response_body" is not supported yet for non-HttpBody fields: p.Out`,
    ]);
  });
});

describe('types of other syntaxes', () => {
  const scalar = { name: 'a_b', number: 1, type: FieldKind.Int32 };
  const message = { name: 'm', number: 2, type: FieldKind.Message, type_name: '.M' };
  const only = (file: FileProto) => new TypeTable([file]).messages[0]?.fields;

  it('proto2 fields have presence', () => {
    const fields = only({ message_type: [{ name: 'M', field: [scalar] }] });
    assert.deepEqual([fields?.[0]?.hasPresence, fields?.[0]?.jsonName], [true, 'aB']);
  });

  it('editions say it by features, down from the file', () => {
    const fields = only({
      syntax: 'editions',
      options: { features: { field_presence: 2, message_encoding: 2 } },
      message_type: [
        {
          name: 'M',
          field: [
            scalar,
            message,
            { ...scalar, number: 3, options: { features: { field_presence: 1 } } },
          ],
        },
      ],
    });
    assert.deepEqual(
      fields?.map(({ hasPresence, kind }) => [hasPresence, kind]),
      [
        [false, FieldKind.Int32],
        [true, FieldKind.Group],
        [true, FieldKind.Int32],
      ],
    );
  });

  it('a type that is nowhere is told', () => {
    const types = new TypeTable([{ message_type: [{ name: 'N', field: [message] }] }]);
    assert.deepEqual([...types.missing], ['M']);
  });
});
