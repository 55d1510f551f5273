import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { guessHttp } from './request-line.ts';

const guess = (text: string) => guessHttp(Buffer.from(text, 'latin1'));

describe('guessHttp', () => {
  it('knows versions by the first line', () => {
    assert.equal(guess('GET / HTTP/1.1\r\n'), 'http/1.1');
    assert.equal(guess('GET / HTTP/1.1\n'), 'http/1.1');
    assert.equal(guess('POST /x?y=z HTTP/1.0\r\nHost: a'), 'http/1.0');
    assert.equal(guess('M-SEARCH * HTTP/1.1\r\n'), 'http/1.1');
    assert.equal(guess('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'h2c');
  });

  it('waits for the end of what may become one', () => {
    const whole = 'DELETE /a HTTP/1.1\r';
    for (let cut = 1; cut < whole.length; cut++) {
      assert.equal(guess(whole.slice(0, cut)), 'need-more', whole.slice(0, cut));
    }
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    for (let cut = 1; cut < preface.length; cut++) {
      assert.equal(guess(preface.slice(0, cut)), 'need-more', preface.slice(0, cut));
    }
  });

  it('knows what it is not', () => {
    for (const text of [
      '\x16\x03\x01\x02',
      'GE\x00T',
      'SSH-2.0-OpenSSH_9\r\n',
      'GET /\r\n',
      'GET / HTTP/1.1 more\r\n',
      'GET / FTP/1.1\r\n',
      ' GET / HTTP/1.1\r\n',
      '\r\n',
    ]) {
      assert.equal(guess(text), 'not-http', JSON.stringify(text));
    }
  });
});
