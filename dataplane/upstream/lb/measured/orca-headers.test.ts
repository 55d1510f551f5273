import assert from 'node:assert/strict';
import { test } from 'node:test';
import protobuf from 'protobufjs';
import { orcaReportIn } from './orca-headers.ts';
import { emptyReport, MAX_METRICS, metricOf } from './orca-report.ts';

// Source: xds/data/orca/v3/orca_load_report.proto; encoded by a library, not by us.
const OrcaLoadReport = protobuf
  .parse(
    `
  syntax = "proto3";
  message OrcaLoadReport {
    double cpu_utilization = 1; double mem_utilization = 2; uint64 rps = 3;
    map<string, double> request_cost = 4; map<string, double> utilization = 5;
    double rps_fractional = 6; double eps = 7; map<string, double> named_metrics = 8;
    double application_utilization = 9;
  }`,
    { keepCase: true },
  )
  .root.lookupType('OrcaLoadReport');

const full = {
  cpu_utilization: 0.5,
  mem_utilization: 0.25,
  rps: 300,
  request_cost: { bytes: 3487 },
  utilization: { disk: 0.75 },
  rps_fractional: 1000.5,
  eps: 2,
  named_metrics: { queue: 7, 'a b': 1e-9 },
  application_utilization: 1.5,
};
const binary = Buffer.from(OrcaLoadReport.encode(full).finish());

function check(fields: string[]): void {
  const report = orcaReportIn(fields);
  assert.ok(report !== null);
  const { metrics, ...values } = report;
  assert.deepEqual(values, {
    cpuUtilization: 0.5,
    memUtilization: 0.25,
    applicationUtilization: 1.5,
    rpsFractional: 1000.5,
    eps: 2,
  });
  assert.equal(metrics?.get('named_metrics.queue'), 7);
  assert.equal(metricOf(report, 'utilization.disk'), 0.75);
  assert.equal(metricOf(report, 'request_cost.bytes'), 3487);
  assert.equal(metricOf(report, 'named_metrics.a b'), 1e-9);
  assert.equal(metricOf(report, 'named_metrics.other'), 0);
}

test('every form of a report says the same', () => {
  check(['endpoint-load-metrics-bin', binary.toString('base64')]);
  check(['endpoint-load-metrics', `BIN ${binary.toString('base64')}`]);
  check(['endpoint-load-metrics', `JSON ${JSON.stringify(full)}`]);
  const camel = { ...full, cpuUtilization: 0.5, cpu_utilization: undefined };
  check(['endpoint-load-metrics', `JSON ${JSON.stringify(camel)}`]);
  const text =
    'cpu_utilization:0.5,mem_utilization=0.25, application_utilization = 1.5,rps_fractional:1000.5,eps:2,' +
    'named_metrics.queue:7,utilization.disk:0.75,request_cost.bytes:3487,named_metrics.a b:1e-9';
  check(['endpoint-load-metrics', `TEXT ${text}`]);
});

test('what makes no sense is no report', () => {
  const wrong = [
    'cpu_utilization:1',
    'TEXT cpu_utilization',
    'TEXT cpu_utilization:',
    'TEXT cpu_utilization:nan',
    'TEXT cpu_utilization:Infinity',
    'TEXT cpu_utilization:1,cpu_utilization:1',
    'TEXT unheard_of:1',
    'TEXT named_metrics.:1',
    'JSON {',
    'JSON []',
    'JSON {"cpu_utilization": "0.5"}',
    'JSON {"named_metrics": {"a": null}}',
    `BIN ${binary.subarray(0, binary.length - 1).toString('base64')}`,
  ];
  for (const value of wrong)
    assert.equal(orcaReportIn(['endpoint-load-metrics', value]), null, value);
  assert.equal(orcaReportIn(['x', 'y']), null);
  const bin = ['endpoint-load-metrics-bin', binary.toString('base64')];
  const twice = ['endpoint-load-metrics', 'TEXT eps:1', ...bin];
  assert.equal(orcaReportIn(twice), null);
});

test('a report has at most so many named metrics and bytes', () => {
  const named = (count: number) =>
    `TEXT ${Array.from({ length: count }, (_, i) => `named_metrics.m${i}:1`).join()}`;
  assert.equal(
    orcaReportIn(['endpoint-load-metrics', named(MAX_METRICS)])?.metrics?.size,
    MAX_METRICS,
  );
  assert.equal(orcaReportIn(['endpoint-load-metrics', named(MAX_METRICS + 1)]), null);
  const long = `TEXT named_metrics.${'a'.repeat(16 * 1024)}:1`;
  assert.equal(orcaReportIn(['endpoint-load-metrics', long]), null);
});

test('any bytes are read without a throw', () => {
  let seed = 7;
  for (let i = 0; i < 3000; i++) {
    const bytes = Buffer.from(binary);
    for (let k = 0; k < 3; k++) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      bytes[seed % bytes.length] = (seed >> 8) & 0xff;
    }
    const report = orcaReportIn(['endpoint-load-metrics-bin', bytes.toString('base64')]);
    for (const value of Object.values(report ?? emptyReport())) {
      if (typeof value === 'number') assert.ok(Number.isFinite(value));
    }
  }
});
