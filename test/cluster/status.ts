import * as http from 'node:http';
import type { StatusDocument } from '../../agent/api/view.ts';
import type { Status } from '../../agent/status.ts';
import { headline } from '../../agent/status.ts';

const LIMIT_MS = 5_000;
const LARGEST = 8 * 2 ** 20;

/** Ask an agent by its socket. @throws Error when it does not answer with a status within 5 s */
export function askStatus(socketPath: string): Promise<StatusDocument> {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath, path: '/v1/status', agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      let length = 0;
      answer.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > LARGEST) request.destroy(new Error('a status that does not end'));
        chunks.push(chunk);
      });
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        try {
          if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${text}`);
          resolve(JSON.parse(text) as StatusDocument);
        } catch (error) {
          reject(error);
        }
      });
    });
    const limit = setTimeout(() => request.destroy(new Error('no status within 5 s')), LIMIT_MS);
    request.on('close', () => clearTimeout(limit));
    request.on('error', reject);
  });
}

/** A status in one line, for what a wait last saw. */
export function brief(status: Status): string {
  const reasons = status.conditions.map(({ code, summary }) => `${code} (${summary})`);
  return [headline(status), ...reasons].join('; ');
}
