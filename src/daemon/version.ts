/** This package's version; written here, since a bundle has no package.json beside it. */
export const version: string = '0.1.0';
