<?php

namespace Protocols;

/** Words of a line. */
class Words
{
    public static function input($buffer)
    {
        $end = strpos($buffer, "\n");

        return $end === false ? 0 : $end + 1;
    }

    public static function decode($buffer)
    {
        return explode(' ', trim($buffer));
    }

    public static function encode($words)
    {
        return implode(' ', $words) . "\n";
    }
}

/** JSON behind its length, four bytes that count themselves. */
class JsonFrame
{
    public static function input($buffer)
    {
        return strlen($buffer) < 4 ? 0 : unpack('N', $buffer)[1];
    }

    public static function decode($buffer)
    {
        return json_decode(substr($buffer, 4), true);
    }

    public static function encode($data)
    {
        $json = json_encode($data);

        return pack('N', strlen($json) + 4) . $json;
    }
}

/** XML behind its length in ten digits. */
class XmlFrame
{
    public static function input($buffer)
    {
        return strlen($buffer) < 10 ? 0 : base_convert(substr($buffer, 0, 10), 10, 10);
    }

    public static function decode($buffer)
    {
        return simplexml_load_string(substr($buffer, 10));
    }

    public static function encode($xml)
    {
        return str_pad((string) (strlen($xml) + 10), 10, '0', STR_PAD_LEFT) . $xml;
    }
}

/** A file and its name. */
class NamedFile
{
    public static function input($buffer)
    {
        return strlen($buffer) < 5 ? 0 : unpack('Nall/Cname', $buffer)['all'];
    }

    public static function decode($buffer)
    {
        $name = unpack('Nall/Cname', $buffer)['name'];

        return ['name' => substr($buffer, 5, $name), 'data' => substr($buffer, 5 + $name)];
    }

    public static function encode($text)
    {
        return $text;
    }
}
