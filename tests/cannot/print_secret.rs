use toolward_vault::*;
pub fn print(secret: &Secret) {
    println!("{secret:?}");
}
