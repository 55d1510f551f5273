// Simulates every policy in every scenario and writes docs/simulation.md with its charts:
// `node bench/simulation/run.ts [hosts ...]`, default 10 100 1000. The same seed gives the same pages.

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chart, percent } from './plot.ts';
import { policies } from './policies.ts';
import { scenarios } from './scenarios.ts';
import { type Outcome, type Setting, simulate } from './simulate.ts';

const SEED = 1;
const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const given = process.argv.slice(2).map(Number);
const sizes = given.length > 0 ? given : [10, 100, 1000];

/** Larger services have slower instances, so that a run has at most some hundred thousand calls. */
function settingOf(hosts: number): Setting {
  const meanMs = hosts >= 1000 ? 200 : 50;
  return { hosts, callers: 10, concurrency: 2, meanMs, use: 0.45, seed: SEED };
}

function tableRow(hosts: number, policy: string, outcome: Outcome): string {
  const { p50Ms, p99Ms, p999Ms, errors, amplification, firstShare } = outcome;
  const times = [p50Ms, p99Ms, p999Ms].map((ms) => ms.toFixed(0));
  return `| ${hosts} | ${policy} | ${times.join(' | ')} | ${percent(errors)} | ${amplification.toFixed(2)} | ${firstShare.toFixed(2)} |`;
}

const sections: string[] = [];
mkdirSync(`${docs}simulation`, { recursive: true });
for (const scenario of scenarios) {
  const table: string[] = [];
  const images: string[] = [];
  for (const hosts of sizes) {
    const outcomes = [...policies.keys()].map((policy) => {
      process.stderr.write(`${scenario.name}, ${hosts} instances, ${policy}\n`);
      return { policy, outcome: simulate(policy, scenario, settingOf(hosts)) };
    });
    const rows = outcomes.map(({ policy, outcome: { p50Ms, p99Ms, p999Ms, errors } }) => ({
      label: policy,
      valuesMs: [p50Ms, p99Ms, p999Ms] as const,
      errors,
    }));
    const file = `simulation/${scenario.name}-${hosts}.svg`;
    const title = `${scenario.text}; ${hosts} instances`;
    writeFileSync(`${docs}${file}`, chart(title, rows, 10, 10_000));
    images.push(`![${title}](${file})`);
    table.push(...outcomes.map(({ policy, outcome }) => tableRow(hosts, policy, outcome)));
  }
  sections.push(`## ${scenario.name}

What happens: ${scenario.text}.

${images.join('\n\n')}

| instances | policy | p50 ms | p99 ms | p99.9 ms | failed | tries per call | first instance's share |
| --: | --- | --: | --: | --: | --: | --: | --: |
${table.join('\n')}
`);
}

const { concurrency, use, callers } = settingOf(sizes[0]!);
writeFileSync(
  `${docs}simulation.md`,
  `# Balancing policies under trouble, simulated

Written by \`node bench/simulation/run.ts\` (seed ${SEED}; the same code gives the same page). The balancers, the outlier detector,
the breakers and the retry budget are the product's own, on a simulated clock; instances and network are not there. What is
measured is what the policies do, not how fast the proxy is (docs/performance.md).

Each instance handles ${concurrency} calls at once, the rest wait in line; a call takes an exponential time with a mean of 50 ms (with 1000
instances 200 ms). ${callers} callers, each with a view of its own, ask for ${100 * use} % of what the instances can do. Callers have our control
plane's defaults: two further tries at other instances, 25 ms apart and more, each given up after 20 times the mean; retry budget; ejection
after five failures in a row. A try that was given up is still worked off by its instance, as most servers do. 45 s are
measured, the trouble is in the last 40 of them. Latencies are of all calls, also of those that failed; the dots are p50 (green),
p99 (yellow) and p99.9 (red). The first instance is the one in trouble where there is only one; a share of 1 is fair.

${sections.join('\n')}`,
);
