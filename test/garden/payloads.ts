// What goes through the garden: the kept corpus of HTTP/1 requests, seeded mutations of it, and the two header lines
// that frame with every suspicious byte at every place where some server overlooks it.

import { readCorpus } from '../fuzz/corpus.ts';
import { mutateHttp1 } from '../fuzz/mutate-http1.ts';
import { SeededRandom } from '../fuzz/random.ts';

export interface Payload {
  readonly name: string;
  readonly bytes: Buffer;
}

/** What begins as HTTP/2 is HTTP/2 to these listeners, and h2spec's matter. */
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export function corpusPayloads(): Payload[] {
  const corpus: Payload[] = readCorpus('http1-request');
  return corpus.filter(({ bytes }) => !bytes.toString('latin1').startsWith(PREFACE));
}

const suspicious = [...Array.from({ length: 33 }, (_, byte) => byte), 0x22, 0x2c, 0x3b, 0x5f];
suspicious.push(0x7f, 0x80, 0x85, 0xa0, 0xad, 0xc2, 0xff);

/** `#` stands for the byte. */
const chunkedLines = [
  'Transfer-Encoding:#chunked',
  'Transfer-Encoding#: chunked',
  '#Transfer-Encoding: chunked',
  'Transfer-Encoding: chunked#',
  'Transfer-Encoding: #chunked',
  'Transfer-Encoding: chunked,#',
  'Transfer#Encoding: chunked',
  'X: y#Transfer-Encoding: chunked',
  'X: y\r#Transfer-Encoding: chunked',
  'X: y#\nTransfer-Encoding: chunked',
];
const lengthLines = [
  'Content-Length:#5',
  'Content-Length#: 5',
  'Content-Length: 5#',
  'Content#Length: 5',
];

/** Each line alone, and those of Transfer-Encoding beside a length that says otherwise. */
export function framingVariants(): Payload[] {
  const head = 'POST /variant HTTP/1.1\r\nHost: a\r\n';
  const payloads: Payload[] = [];
  for (const byte of suspicious) {
    const char = String.fromCharCode(byte);
    const add = (line: string, beside: string, body: string) => {
      const text = `${head}${beside}${line.replace('#', char)}\r\n\r\n${body}`;
      const name = `${line.replaceAll(/[\r\n]/g, ' ')} with byte ${byte}${beside === '' ? '' : ' beside a length'}`;
      payloads.push({ name, bytes: Buffer.from(text, 'latin1') });
    };
    for (const line of chunkedLines) {
      add(line, '', '5\r\nhello\r\n0\r\n\r\n');
      add(line, 'Content-Length: 5\r\n', '0\r\n\r\n');
    }
    for (const line of lengthLines) add(line, '', 'hello');
  }
  return payloads;
}

/** Number n of a seed is always the same. */
export function mutatedPayloads(seed: number, from: number, count: number): Payload[] {
  const corpus = corpusPayloads();
  return Array.from({ length: count }, (_, i) => {
    const number = from + i;
    const random = new SeededRandom(Math.imul(seed, 0x9e3779b1) + number);
    const base = random.pick(corpus);
    const bytes = mutateHttp1(base.bytes, random.pick(corpus).bytes, random);
    return { name: `seed ${seed}, number ${number}, from ${base.name}`, bytes };
  });
}
