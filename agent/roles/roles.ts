import { page } from './page/role.ts';
import type { Role } from './role.ts';

/** Every role of the cluster. */
export const ROLES: readonly Role[] = [page];
