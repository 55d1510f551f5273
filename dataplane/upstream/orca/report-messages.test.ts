import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportFrame } from '../../../test/fakes/load-report.ts';
import { encodeReportRequest, MAX_REPORT_BYTES, ReportReader } from './report-messages.ts';

test('requests are those that Envoy sends', () => {
  // Seen by a server that Envoy 1.40 asked, with 1 s.
  assert.equal(encodeReportRequest(1000).toString('hex'), '00000000040a020801');
  assert.equal(encodeReportRequest(100).toString('hex'), '00000000070a051080c2d72f');
  assert.equal(encodeReportRequest(300_500).toString('hex'), '000000000b0a0908ac021080cab5ee01');
});

test('reports may come byte by byte, or several at once', () => {
  const reader = new ReportReader();
  const bytes = Buffer.concat([reportFrame(100, 0.5), reportFrame(200, 1), reportFrame(300, 1)]);
  const seen: number[] = [];
  for (let at = 0; at < 30; at++) {
    for (const report of reader.add(bytes.subarray(at, at + 1)) ?? []) {
      seen.push(report.rpsFractional);
    }
  }
  assert.deepEqual(seen, [100]);
  const rest = reader.add(bytes.subarray(30)) ?? [];
  assert.deepEqual(
    rest.map(({ rpsFractional, applicationUtilization }) => [
      rpsFractional,
      applicationUtilization,
    ]),
    [
      [200, 1],
      [300, 1],
    ],
  );
});

test('what is kept is a copy: the memory of a read is used again', () => {
  const reader = new ReportReader();
  const bytes = reportFrame(100, 0.5);
  const first = Buffer.from(bytes.subarray(0, 10));
  assert.deepEqual(reader.add(first), []);
  first.fill(0xff);
  assert.equal(reader.add(bytes.subarray(10))?.[0]?.rpsFractional, 100);
});

const nonsense: readonly (readonly [string, string])[] = [
  ['a compressed message', '0100000000'],
  ['a message that is too long', `00${(MAX_REPORT_BYTES + 1).toString(16).padStart(8, '0')}`],
  ['what is no protobuf', '0000000004ffffffff'],
  ['a message that ends in a field', '00000000023100'],
];
for (const [name, hex] of nonsense) {
  test(`${name} ends the stream`, () => {
    assert.equal(new ReportReader().add(Buffer.from(hex, 'hex')), null);
  });
}
