/** An address to listen on, as it is written and as it is used. */
import { isIP } from 'node:net';

/** Where to listen. */
export interface ListenAddress {
  /** An IPv4 or IPv6 address. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** null when it is none. */
export function parseListenAddress(text: string): ListenAddress | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text.trim());
  if (match === null) return null;
  const named = match[1] ?? match[2] ?? '';
  const host = named === 'localhost' ? '127.0.0.1' : named;
  const number = Number(match[3]);
  const isRight = isIP(host) === (match[1] === undefined ? 4 : 6) && number <= 65_535;
  return isRight ? { host, port: number } : null;
}

/** As it is written in the file. */
export function listenText({ host, port: number }: ListenAddress): string {
  return isIP(host) === 6 ? `[${host}]:${number}` : `${host}:${number}`;
}
