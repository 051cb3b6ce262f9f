// The types of what options hold: how a value is written, read and refused. Knows no option.
import path from 'node:path';
import { parseSocketAddress } from '../rpc/socket.ts';
import type { ValueType } from './options.ts';

/** An absolute path without surprises: no control or invisible characters, no `.` or `..` parts. */
export const absolutePath: ValueType<string> = {
  placeholder: 'PATH',
  parse(text) {
    if (
      !path.isAbsolute(text) ||
      /\p{C}/u.test(text) ||
      text.split('/').some((part) => /^\.\.?$/.test(part))
    ) {
      throw new Error(
        `needs an absolute path of visible characters without "." or ".." in it, not ${JSON.stringify(text)}`,
      );
    }
    return text === '/' ? text : text.replace(/\/+$/, '').replaceAll(/\/{2,}/g, '/');
  },
};

/** A socket as `unix:///path`, `unix:/path` or a path. */
export const socketAddress: ValueType<string> = {
  placeholder: 'SOCKET',
  parse: (text) => absolutePath.parse(parseSocketAddress(text)),
};

/** One of a few words. */
export function oneOf<const W extends string>(words: readonly W[]): ValueType<W> {
  return {
    placeholder: words.join('|'),
    parse(text) {
      const found = words.find((word) => word === text);
      if (found === undefined) throw new Error(`is one of ${words.join(', ')}, not ${JSON.stringify(text)}`);
      return found;
    },
  };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A length of time with its unit, such as 500ms, 30s or 2m; milliseconds inside. */
export const durationMs: ValueType<number> = {
  placeholder: 'DURATION',
  parse(text) {
    const [, digits = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text) ?? [];
    const factor = unitMs[unit];
    if (factor === undefined)
      throw new Error(`needs a time such as 500ms, 30s or 2m, not ${JSON.stringify(text)}`);
    const milliseconds = Math.round(Number(digits) * factor);
    if (milliseconds < 1 || milliseconds > 86_400_000) throw new Error('is between 1ms and 24h');
    return milliseconds;
  },
};

/** A length of time that has bounds of its own. */
export function durationBetween(least: string, most: string): ValueType<number> {
  return {
    placeholder: durationMs.placeholder,
    parse(text) {
      const milliseconds = durationMs.parse(text);
      if (milliseconds >= durationMs.parse(least) && milliseconds <= durationMs.parse(most))
        return milliseconds;
      throw new Error(`is between ${least} and ${most}, not ${text}`);
    },
  };
}

/** A TCP address to listen on. */
export interface ListenAddress {
  readonly host: string | undefined;
  readonly port: number;
}

/** `:9808`, `127.0.0.1:9808` or `[::1]:9808`; port 0 takes any free one. */
export const listenAddress: ValueType<ListenAddress> = {
  placeholder: '[HOST]:PORT',
  parse(text) {
    const [, host = '', digits = ''] = /^(\[[0-9A-Fa-f:.]+\]|[\w.-]*):(\d{1,5})$/.exec(text) ?? [];
    const port = Number(digits);
    if (digits === '' || port > 65_535)
      throw new Error(`needs HOST:PORT or :PORT, not ${JSON.stringify(text)}`);
    return { host: host === '' ? undefined : host.replace(/^\[(.*)\]$/, '$1'), port };
  },
};

/** A whole number above zero. */
export const positiveInteger: ValueType<number> = {
  placeholder: 'NUMBER',
  parse(text) {
    if (!/^[1-9]\d{0,8}$/.test(text))
      throw new Error(`needs a whole number above 0, not ${JSON.stringify(text)}`);
    return Number(text);
  },
};

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `all`, or the UUIDs of the pools that count, separated by commas. */
export const poolSelection: ValueType<'all' | readonly string[]> = {
  placeholder: 'all|UUID,…',
  parse(text) {
    if (text === 'all') return 'all';
    const uuids = text.split(',').map((uuid) => uuid.trim().toLowerCase());
    const wrong = uuids.find((uuid) => !uuidPattern.test(uuid));
    if (wrong !== undefined)
      throw new Error(`needs "all" or UUIDs with commas; ${JSON.stringify(wrong)} is none`);
    return uuids;
  },
};

/** The node id goes to the controller as it is: CSI allows 256 bytes (NodeGetInfoResponse). */
export const nodeId: ValueType<string> = {
  placeholder: 'NAME',
  parse(text) {
    if (!/^[\x21-\x7e]+$/.test(text)) throw new Error('needs printable characters without spaces');
    if (text.length > 256) throw new Error('has more than the 256 bytes that CSI allows');
    return text;
  },
};

/** What Kubernetes calls a namespace or a Lease. */
export const objectName: ValueType<string> = {
  placeholder: 'NAME',
  parse(text) {
    if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text))
      throw new Error(`needs a name as Kubernetes has them, not ${JSON.stringify(text.slice(0, 80))}`);
    return text;
  },
};

/** A file of a pool, as POOL:PATH. */
export const poolFile: ValueType<{ readonly poolUuid: string; readonly path: string }> = {
  placeholder: 'POOL:PATH',
  parse(text) {
    const [, poolUuid = '', place = ''] = /^([0-9a-f-]{36}):(.+)$/.exec(text) ?? [];
    if (!uuidPattern.test(poolUuid))
      throw new Error(`needs a pool's UUID, a colon and a path, not ${JSON.stringify(text)}`);
    return { poolUuid, path: place };
  },
};
