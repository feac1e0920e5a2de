/** Entry of a process that several quiet files share: it imports the files that its arguments name. */
import { pathToFileURL } from 'node:url';

for (const file of process.argv.slice(2)) await import(pathToFileURL(file).href);
