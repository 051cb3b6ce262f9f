// The daemon's socket, SHADOW/sock: the few HTTP answers of the real famfs_fused (famfs reference 5.3), and one of
// the simulator's own that says what it is. Knows no FUSE.
import { chmodSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import path from 'node:path';
import type { SimulatedMount } from './simulated-mount.ts';

export interface DaemonSocket {
  readonly close: () => Promise<void>;
}

/** sun_path holds 108 bytes with the NUL (unix(7)). */
const longestSocketPathBytes = 107;

/**
 * Listens on SHADOW/sock. On nothing in standalone mode, where the real famfs has no daemon, and for a path that is
 * too long for a socket: the real daemon cuts it, so that nobody finds it either (famfs reference 5.2).
 */
export async function serveDaemonSocket(mount: SimulatedMount): Promise<DaemonSocket> {
  const place = path.join(mount.shadow, 'sock');
  const isTooLong = Buffer.byteLength(place) > longestSocketPathBytes;
  if (mount.mode === 'standalone' || isTooLong) return { close: async () => {} };
  let logLevel = 5;
  const server = createServer((request, response) => {
    const route = `${request.method} ${request.url}`;
    if (route === 'GET /pid') return response.end(`pid: ${mount.pid}\n`);
    if (route === 'GET /icache_stats')
      return response.end('search_count: 0\nnodes_scanned: 0\nsearch_fail_ct: 0\n');
    if (route === 'GET /simulator') return response.end(`${JSON.stringify(mount)}\n`);
    if (request.url === '/log_level' && request.method === 'GET')
      return response.end(`log_level: ${logLevel}\n`);
    if (request.url === '/log_level') {
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      request.on('end', () => {
        const wanted = Number(text.trim());
        const isLevel = Number.isInteger(wanted) && wanted >= 0 && wanted <= 7 && text.trim() !== '';
        if (isLevel) logLevel = wanted;
        response.writeHead(isLevel ? 200 : 400).end(`log_level: ${logLevel}\n`);
      });
      return undefined;
    }
    response.writeHead(404).end('not found\n');
    return undefined;
  });
  await listen(server, place);
  chmodSync(place, 0o660);
  return { close: () => close(server) };
}

function listen(server: Server, place: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(place, resolve);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
