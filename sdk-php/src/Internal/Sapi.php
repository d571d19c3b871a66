<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal PHP_SAPI, by which frameworks tell a browser from a console: where it is `cli`, CodeIgniter answers 405
 * and CakePHP begins no session. PHP takes it from its own main program and has no setting for it, so this puts
 * another string into the constant, by FFI. Code that was compiled before keeps what it had.
 */
final class Sapi
{
    /** A zval: the address of its string, and its type, with flags above. A zend_string: see php-src. */
    private const ENGINE = <<<'C'
        typedef struct { uint32_t refcount; uint32_t type; uint64_t hash; uint64_t length; char bytes[11]; } string;
        typedef struct { string *string; uint32_t type; uint32_t flags; } zval;
        zval *zend_get_constant_str(const char *name, size_t length);
        uint64_t zend_string_hash_func(string *string);
        C;
    /** The type of a zval whose string nobody counts or frees. */
    private const INTERNED = 6;

    /**
     * Makes PHP_SAPI `frankenphp` for the rest of this process.
     *
     * @return bool whether it is; false without FFI, or where PHP's insides are not those that this knows, and then
     *     nothing has changed
     */
    public static function change(): bool
    {
        if (!\class_exists(\FFI::class, false) || \PHP_INT_SIZE !== 8) {
            return false;
        }
        try {
            $engine = \FFI::cdef(self::ENGINE);
            $constant = $engine->zend_get_constant_str('PHP_SAPI', 8);
        } catch (\FFI\Exception) {
            return false; // `ffi.enable` is off, or the functions are not exported, as on Windows
        }
        if ($constant === null || $constant->type !== self::INTERNED || $constant->string->length !== 3
            || \FFI::string($constant->string->bytes, 3) !== 'cli') {
            return false;
        }
        $string = $engine->new('string', false, true); // PHP never frees it
        \FFI::memcpy($string, $constant->string, 8); // what makes it one that is never freed
        $string->length = 10;
        \FFI::memcpy($string->bytes, "frankenphp\0", 11);
        $engine->zend_string_hash_func(\FFI::addr($string));
        $constant->string = \FFI::addr($string);

        return \constant('PHP_SAPI') === 'frankenphp';
    }
}
