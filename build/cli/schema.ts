import { fileURLToPath } from 'node:url';
import { jsonSchemaText } from '../definition/schema.ts';
import { files } from '../host.ts';
import type { Register } from './context.ts';

/** The JSON Schema for editors, beside the schema that it is made from. */
export const SCHEMA_FILE = fileURLToPath(new URL('../definition/cluster.schema.json', import.meta.url));

export const registerSchema: Register = (program, context) => {
  program
    .command('schema')
    .description('print the JSON Schema of the definition: every setting, its default and meaning')
    .option('--write', 'write it to its file in the clone, for editors')
    .action(async ({ write }: { write?: boolean }) => {
      if (!write) return context.answer(JSON.parse(jsonSchemaText()), jsonSchemaText);
      await files.writeAtomic(SCHEMA_FILE, jsonSchemaText());
      context.answer({ file: SCHEMA_FILE }, () => `wrote ${SCHEMA_FILE}`);
    });
};
