import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { DriverError } from '../errors.ts';
import { switchDebugBySignal } from './debug-signal.ts';
import { startHttpServer } from './http-server.ts';
import type { LogFormat, LogLevel } from './log-levels.ts';
import { createLogger, type ProcessLogger, silentLogger } from './logger.ts';
import { Metrics } from './metrics.ts';

function loggerInto(
  format: LogFormat = 'json',
  level: LogLevel = 'info',
): { log: ProcessLogger; text: () => string } {
  const stream = new PassThrough();
  let written = '';
  stream.on('data', (chunk) => {
    written += chunk;
  });
  return { log: createLogger({ level, format, stream, fields: { role: 'test' } }), text: () => written };
}

/** One turn of the event loop, after which the stream has delivered. */
function delivered(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('the log', () => {
  it('keeps name, message, reason, details, stack and causes of an error', async () => {
    const { log, text } = loggerInto();
    const cause = new TypeError('root', { cause: new Error('deeper') });
    const error = new DriverError('pool-dead', 'gone', { cause, details: { mountId: 2n ** 60n } });
    log.error('it failed', { error, count: 5n });
    await delivered();
    const line = JSON.parse(text());
    assert.equal(line.message, 'it failed');
    assert.equal(line.role, 'test');
    assert.equal(line.count, '5');
    assert.equal(line.error.reason, 'pool-dead');
    assert.equal(line.error.details.mountId, String(2n ** 60n));
    assert.equal(line.error.cause.name, 'TypeError');
    assert.equal(line.error.cause.cause.message, 'deeper');
    assert.match(line.error.stack, /observe\.test/);
  });

  it('does not let a field pass for the message, the level or the time', async () => {
    const { log, text } = loggerInto();
    log.info('constant', { message: 'evil', level: 'error', timestamp: 'never' });
    await delivered();
    const line = JSON.parse(text());
    assert.equal(line.message, 'constant');
    assert.equal(line.level, 'info');
    assert.equal(line.messageField, 'evil');
    assert.notEqual(line.timestamp, 'never');
  });

  it('survives cycles, maps, sets and undefined', async () => {
    const { log, text } = loggerInto();
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    log.info('odd', { cycle, map: new Map([['a', 1n]]), set: new Set([1]), nothing: undefined });
    await delivered();
    const line = JSON.parse(text());
    assert.deepEqual(line.map, { a: '1' });
    assert.deepEqual(line.set, [1]);
  });

  it('as text is one line per event with a stack below', async () => {
    const { log, text } = loggerInto('text');
    log.child({ volumeId: 'v 1' }).warn('call failed', { code: 'ABORTED', error: new Error('two\nlines') });
    await delivered();
    const [first = '', ...rest] = text().trimEnd().split('\n');
    assert.match(first, /warn {2}call failed role=test volumeId="v 1" code=ABORTED error="two\\nlines"$/);
    assert.ok(rest.every((line) => line.startsWith('    ')));
  });

  it('shows nothing invisible, and as JSON still means the same', async () => {
    const name = 'x\u202ey\u009b2J\u200b\u{e0041}名';
    for (const format of ['json', 'text'] as const) {
      const { log, text } = loggerInto(format);
      log.info('call finished', { name, [name]: 1 });
      await delivered();
      assert.doesNotMatch(text().trimEnd(), /\p{C}/u);
      if (format === 'json') assert.equal(JSON.parse(text()).name, name);
    }
  });

  it('changes its level at run time, children included, also by signal', async () => {
    const { log, text } = loggerInto();
    const child = log.child({});
    child.debug('unseen');
    const remove = switchDebugBySignal(log);
    // The signal itself would also make the test runner write a report of the process.
    const handler = process.listeners('SIGUSR2').at(-1);
    try {
      handler?.('SIGUSR2');
      assert.equal(child.enabled('debug'), true);
      child.debug('seen');
      handler?.('SIGUSR2');
      assert.equal(log.level, 'info');
    } finally {
      remove();
    }
    await delivered();
    assert.match(text(), /"seen"/);
    assert.doesNotMatch(text(), /unseen/);
  });
});

describe('the HTTP server', () => {
  it('serves metrics, health and readiness', async () => {
    const metrics = new Metrics({ role: 'node', version: '1.2.3' });
    metrics.started('NodePublishVolume');
    metrics.started('NodePublishVolume');
    metrics.finished('NodePublishVolume', 'OK', 0.003);
    const problems: string[] = [];
    const server = await startHttpServer({
      host: '127.0.0.1',
      port: 0,
      metrics,
      logger: silentLogger,
      healthy: () => [],
      ready: () => problems,
    });
    try {
      const get = async (path: string): Promise<[number, string]> => {
        const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
        return [response.status, await response.text()];
      };
      const [, figures] = await get('/metrics');
      assert.match(figures, /famfs_csi_operations_in_flight\{method="NodePublishVolume",role="node"\} 1/);
      assert.match(
        figures,
        /famfs_csi_operations_seconds_count\{.*method="NodePublishVolume".*code="OK"\} 1/,
      );
      assert.match(figures, /famfs_csi_build_info\{version="1.2.3",role="node"\} 1/);
      assert.deepEqual(await get('/healthz'), [200, 'ok\n']);
      problems.push('the mounter does not answer');
      assert.deepEqual(await get('/readyz'), [503, 'the mounter does not answer\n']);
      assert.equal((await get('/else'))[0], 404);
    } finally {
      await server.close();
    }
  });
});
