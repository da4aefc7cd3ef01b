//! A type's schema, with the names that serde gives its parts.
use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, LitStr, Result, punctuated::Punctuated,
    spanned::Spanned as _,
};

use crate::documentation;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let serde = Serde::of(&input.attrs)?;
    let schema = match &input.data {
        Data::Struct(data) => structure(&data.fields, &serde)?,
        Data::Enum(data) => words(data.variants.iter(), &serde)?,
        Data::Union(data) => {
            return Err(Error::new(data.union_token.span, "a union has no schema"));
        }
    };
    let ident = &input.ident;
    let (generics, types, clause) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::toolward_sdk::ToolType for #ident #types #clause {
            const SCHEMA: &'static ::toolward_sdk::Schema = &#schema;
        }
    })
}

fn structure(fields: &Fields, container: &Serde) -> Result<TokenStream> {
    match fields {
        Fields::Named(fields) => {
            let fields = fields
                .named
                .iter()
                .map(|field| named(field, container))
                .collect::<Result<Vec<_>>>()?;
            let fields = fields.into_iter().flatten();
            Ok(quote!(::toolward_sdk::Schema::Object(&[#(#fields),*])))
        }
        // One value without a name is that value (serde's newtype).
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            let ty = fields.unnamed.first().map(|field| &field.ty);
            Ok(quote!(*<#ty as ::toolward_sdk::ToolType>::SCHEMA))
        }
        other => Err(Error::new(other.span(), "name the fields: JSON has no tuples")),
    }
}

fn named(field: &syn::Field, container: &Serde) -> Result<Option<TokenStream>> {
    let serde = Serde::of(&field.attrs)?;
    if serde.skip {
        return Ok(None);
    }
    let ident = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    let ident = ident.strip_prefix("r#").unwrap_or(&ident);
    let name = serde.rename.clone().unwrap_or_else(|| container.case(ident, false));
    let (description, ty) = (documentation::text(&field.attrs), &field.ty);
    let has_default = serde.default || container.default;
    Ok(Some(quote! {
        ::toolward_sdk::Field {
            name: #name,
            description: #description,
            schema: <#ty as ::toolward_sdk::ToolType>::SCHEMA,
            has_default: #has_default,
        }
    }))
}

fn words<'a>(
    variants: impl Iterator<Item = &'a syn::Variant>,
    container: &Serde,
) -> Result<TokenStream> {
    let word = |variant: &syn::Variant| {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new(
                variant.span(),
                "a variant with fields has no simple schema; use a struct with optional fields",
            ));
        }
        let serde = Serde::of(&variant.attrs)?;
        Ok(serde.rename.unwrap_or_else(|| container.case(&variant.ident.to_string(), true)))
    };
    let words = variants.map(word).collect::<Result<Vec<_>>>()?;
    Ok(quote!(::toolward_sdk::Schema::Words(&[#(#words),*])))
}

/// What serde was told.
#[derive(Default)]
struct Serde {
    rename: Option<String>,
    rename_all: Option<LitStr>,
    default: bool,
    skip: bool,
}

impl Serde {
    fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut serde = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            let metas = attribute
                .parse_args_with(Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated)?;
            metas.iter().try_for_each(|meta| serde.take(meta))?;
        }
        Ok(serde)
    }

    fn take(&mut self, meta: &syn::Meta) -> Result<()> {
        let path = meta.path();
        if path.is_ident("rename") {
            self.rename = Some(word(meta)?.value());
        } else if path.is_ident("rename_all") {
            let case = word(meta)?;
            if !CASES.contains(&case.value().as_str()) {
                return Err(Error::new(case.span(), format!("write one of {CASES:?}")));
            }
            self.rename_all = Some(case);
        } else if path.is_ident("default") {
            self.default = true;
        } else if path.is_ident("skip") || path.is_ident("skip_deserializing") {
            self.skip = true;
        } else if !HARMLESS.iter().any(|name| path.is_ident(name)) {
            let message = "the schema does not follow this; write a type that says in its fields what its JSON looks like";
            return Err(Error::new(meta.span(), message));
        }
        Ok(())
    }

    /// A name as `rename_all` writes it. Fields come in snake case, variants in Pascal case.
    fn case(&self, name: &str, variant: bool) -> String {
        let Some(case) = &self.rename_all else { return name.to_owned() };
        let words =
            if variant { pascal_words(name) } else { name.split('_').map(str::to_owned).collect() };
        let capital = |word: &String| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
                .unwrap_or_default()
        };
        let joined: String = words.iter().map(capital).collect();
        match case.value().as_str() {
            "lowercase" => words.concat(),
            "UPPERCASE" => words.concat().to_ascii_uppercase(),
            "PascalCase" => joined,
            "camelCase" => {
                words.first().cloned().unwrap_or_default()
                    + &words.iter().skip(1).map(capital).collect::<String>()
            }
            "SCREAMING_SNAKE_CASE" => words.join("_").to_ascii_uppercase(),
            "kebab-case" => words.join("-"),
            _ => words.join("_"),
        }
    }
}

fn word(meta: &syn::Meta) -> Result<LitStr> {
    let value = &meta.require_name_value()?.value;
    match value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Ok(text.clone()),
        other => Err(Error::new(other.span(), "write a text in quotes")),
    }
}

fn pascal_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_ascii_uppercase() => word.push(letter),
            _ => words.push(letter.to_ascii_lowercase().to_string()),
        }
    }
    words
}

const CASES: [&str; 7] = [
    "lowercase",
    "UPPERCASE",
    "PascalCase",
    "camelCase",
    "snake_case",
    "SCREAMING_SNAKE_CASE",
    "kebab-case",
];
/// Settings that change nothing about what JSON fits.
const HARMLESS: [&str; 4] = ["deny_unknown_fields", "skip_serializing_if", "crate", "bound"];
